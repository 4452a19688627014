"""Samples that parallel jobs draw: the bytes of one job's, after a kill too, or a refusal."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter

from nsgf.artifact import SIDECAR, read_json, record, write_json
from nsgf.cli import main
from nsgf.config.train import Net
from nsgf.nets.build import initialise, save
from nsgf.registry import METHODS
from nsgf.rng import stream
from nsgf.sample import two_phase
from nsgf.sample.files import read_part, write_part
from tests.image_sets import image_set

NETS = {
    "mlp": {"kind": "mlp", "width": 8},
    "unet": {"kind": "unet", "channels": 32, "depth": 1, "multipliers": [1, 2], "patch": 2},
    "phase": {"kind": "phase_cnn", "channels": [4, 4, 4, 4]},
}
SHAPES = {"moons": (2,), "mnist": (1, 28, 28)}
METHOD_OF = {"moons": "nsgf", "mnist": "nsgf++"}
SAMPLING = {"n_samples": 10, "batch_size": 3, "path_samples": 2, "omega": 0.25}
SET = (".npy", ".npz", ".json")


class Place:
    """A folder with the networks of a method, and the stages as a shell would call them."""

    def __init__(self, folder: Path, dataset: str):
        self.folder, self.dataset, self.method = folder, dataset, METHOD_OF[dataset]
        self.unit = f"dataset={dataset},seed=0,sample=1"
        settings = {"seed": 3, "method": self.method, "nfe": 5 if dataset == "moons" else None}
        flow = {"steps": 5, "step_size": 0.2, "blur": 1.0}
        settings |= {"flow": flow, "sampling": SAMPLING, "compute": {"device": "cpu"}}
        write_json(folder / "sample.json", settings)
        self.networks("networks", seed=0)

    def networks(self, name: str, seed: int) -> None:
        """Write the method's networks."""
        for network in METHODS[self.method].networks:
            kind = "phase" if network == "phase" else "mlp" if self.dataset == "moons" else "unet"
            net = TypeAdapter(Net).validate_python(NETS[kind])
            shape = SHAPES[self.dataset]
            built = initialise(net, shape, seed, network)
            for weights in built.parameters():  # a UNet begins as the zero field
                weights.data += 0.1 * torch.randn(weights.shape, generator=stream(seed, network))
            save(self.folder / f"{name}/{network}.safetensors", built, net, shape)

    def sample(self, out: str, *words: str, unit: str = "", networks: str = "networks") -> int:
        """Draw the set, or what `unit` says."""
        chosen = [
            word
            for n in METHODS[self.method].networks
            for word in ("--network", f"{n}={self.folder}/{networks}/{n}.safetensors")
        ]
        return self.call("sample", *chosen, *words, "--data", "data", "--out", out, unit=unit)

    def parts(self, shards: int) -> None:
        """Draw every part of the set."""
        for k in range(shards):
            assert self.part(k, shards) == 0

    def part(self, shard: int, shards: int, networks: str = "networks") -> int:
        """Draw one part of the set."""
        unit = f"{self.unit},shard={shard}"
        return self.sample("parts/{shard}.npy", *count(shards), unit=unit, networks=networks)

    def gather(self, shards: int) -> int:
        """Join the parts."""
        return self.call(
            "gather", "--parts", "parts/{shard}.npy", *count(shards), "--out", "joined/set.npy"
        )

    def call(self, stage: str, *options: str, unit: str = "") -> int:
        """The exit code of a stage."""
        return main([stage, "--config", "sample.json", "--unit", unit or self.unit, *options])


def count(shards: int) -> tuple[str, str]:
    return ("--shards", str(shards))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A place for a data set, which becomes the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NSGF_STATE", str(tmp_path / "state"))
    image_set(tmp_path / "data", "mnist", SHAPES["mnist"], n=8)
    return lambda dataset: Place(tmp_path, dataset)


def set_bytes(path: str) -> list[bytes]:
    return [Path(path).with_suffix(ending).read_bytes() for ending in SET]


@pytest.mark.parametrize("dataset", SHAPES)
def test_a_set_has_the_same_bytes_however_many_jobs_share_it(place, dataset):
    here = place(dataset)
    assert here.sample("whole/set.npy") == 0
    for shards in (1, 2, 3):
        here.parts(shards)
        assert here.gather(shards) == 0
        assert set_bytes("joined/set.npy") == set_bytes("whole/set.npy"), shards
    whole, joined = (read_json(Path(f"{d}/set.npy{SIDECAR}")) for d in ("whole", "joined"))
    assert joined["sha256"] == whole["sha256"]
    assert joined["facts"] == whole["facts"]
    assert sorted(joined["inputs"]) == [f"parts/{k}.{e}" for k in range(3) for e in ("npy", "npz")]


def test_a_killed_shard_goes_on_after_its_last_batch(place, monkeypatch, capsys):
    here = place("mnist")
    assert here.sample("whole/set.npy") == 0
    draw, left = two_phase.draw, iter(range(1))

    def killed(*words):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return draw(*words)

    monkeypatch.setattr(two_phase, "draw", killed)
    with pytest.raises(KeyboardInterrupt):
        here.part(1, 2)
    assert not Path("parts").exists()
    monkeypatch.setattr(two_phase, "draw", draw)
    capsys.readouterr()
    here.parts(2)
    said = capsys.readouterr().out
    assert said.splitlines() == [f"resumed nsgf++ {here.unit},shard=1 at step 1"]
    assert here.gather(2) == 0
    assert set_bytes("joined/set.npy") == set_bytes("whole/set.npy")


def remove(here: Place) -> None:
    Path("parts/1.npz").unlink()


def lose_provenance(here: Place) -> None:
    Path(f"parts/1.npy{SIDECAR}").unlink()


def flip(here: Place) -> None:
    path = Path("parts/1.npy")
    body = bytearray(path.read_bytes())
    body[-1] ^= 1
    path.write_bytes(body)


def shorten(here: Place) -> None:
    """A part with a sample too few, and provenance that agrees with it."""
    path = Path("parts/1.npy")
    stated, part = read_json(Path(f"{path}{SIDECAR}")), read_part(path)
    cost = type(part.cost)(part.cost.n - 1, part.cost.rows, part.cost.most, part.cost.handover)
    write_part(path, type(part)(part.x[:-1].clone(), cost, part.path, part.times))
    kept = {key: stated[key] for key in ("stage", "config", "seed", "code", "facts")}
    record(path, path.with_suffix(".npz"), inputs=map(Path, stated["inputs"]), **kept)


def swap(here: Place) -> None:
    for ending in ("npy", "npz", f"npy{SIDECAR}", f"npz{SIDECAR}"):
        shutil.copyfile(f"parts/0.{ending}", f"parts/1.{ending}")


def other_set(here: Place) -> None:
    here.unit = here.unit.replace("sample=1", "sample=2")
    here.parts(2)
    here.unit = here.unit.replace("sample=2", "sample=1")


def other_count(here: Place) -> None:
    here.parts(3)


def other_settings(here: Place) -> None:
    settings = read_json(Path("sample.json"))
    settings["sampling"]["path_samples"] = 1
    Path("sample.json").write_text(json.dumps(settings))


def other_network(here: Place) -> None:
    here.networks("others", seed=1)
    assert here.part(1, 2, networks="others") == 0


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (remove, "'parts/1.npz' cannot be joined: it is missing"),
        (lose_provenance, "'parts/1.npy' cannot be joined: it is missing, or has no provenance"),
        (flip, "'parts/1.npy' cannot be joined: its bytes are not those that its provenance"),
        (shorten, "'parts/1.npy' cannot be joined: it holds 3 samples"),
        (swap, "'parts/1.npy' cannot be joined: it is not shard 1 of 2 of this set"),
        (other_set, "'parts/0.npy' cannot be joined: it is not shard 0 of 2 of this set"),
        (other_count, "'parts/0.npy' cannot be joined: it is not shard 0 of 2 of this set"),
        (other_settings, "'parts/0.npy' cannot be joined: it was made with other settings"),
        (other_network, "'parts/1.npy' cannot be joined: its code or inputs differ"),
    ],
)
def test_what_is_no_part_of_the_set_is_refused(place, capsys, spoil, says):
    here = place("moons")
    here.parts(2)
    spoil(here)
    capsys.readouterr()
    assert here.gather(2) == 1
    message = capsys.readouterr().err
    assert says in message
    assert message.count("nsgf: ") == 1
    assert not Path("joined").exists()

"""Samples that parallel jobs draw: the bytes of one job's, after a kill too, or a refusal."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from nsgf.artifact import SIDECAR, read_json, sha256_file, sidecar, write_json
from nsgf.config.compute import Compute
from nsgf.config.pool import Flow
from nsgf.config.sample import SampleStage, Sampling
from nsgf.config.train import Net
from nsgf.errors import NsgfError
from nsgf.nets.build import initialise, load, save
from nsgf.registry import METHODS
from nsgf.rng import stream
from nsgf.sample import two_phase
from nsgf.sample.files import read_part, write_part
from nsgf.stages import sample
from nsgf.stages.sample import SET
from tests.image_sets import image_set
from tests.tasks import run

NETS = {
    "mlp": {"kind": "mlp", "width": 8},
    "unet": {"kind": "unet", "channels": 32, "depth": 1, "multipliers": [1, 2], "patch": 2},
    "phase": {"kind": "phase_cnn", "channels": [4, 4, 4, 4]},
}
SHAPES = {"moons": (2,), "mnist": (1, 28, 28)}
METHOD_OF = {"moons": "nsgf", "mnist": "nsgf++"}
SAMPLING = {"n_samples": 10, "batch_size": 3, "path_samples": 2, "omega": 0.25}
WHOLE, JOINED, PARTS = "results/t/whole/set", "results/t/joined/set", "results/t/parts"


class Place:
    """A folder with the networks of a method, and the stages as jobs would make them."""

    def __init__(self, dataset: str):
        self.dataset, self.method = dataset, METHOD_OF[dataset]
        self.unit = {"dataset": dataset, "seed": 0, "sample": 1}
        self.sampling = SAMPLING
        self.networks("networks", seed=0)

    def settings(self, shards: int) -> SampleStage:
        """Of a set, or of one of its parts."""
        return SampleStage(
            seed=3,
            method=self.method,
            nfe=5 if self.dataset == "moons" else None,
            flow=Flow(steps=5, step_size=0.2, blur=1.0),
            sampling=Sampling(**self.sampling),
            compute=Compute(device="cpu"),
            shards=shards,
        )

    def networks(self, name: str, seed: int) -> None:
        """Write the method's networks."""
        for network in METHODS[self.method].networks:
            kind = "phase" if network == "phase" else "mlp" if self.dataset == "moons" else "unet"
            net = TypeAdapter(Net).validate_python(NETS[kind])
            built = initialise(net, SHAPES[self.dataset], seed, network)
            for weights in built.parameters():  # a UNet begins as the zero field
                weights.data += 0.1 * stream(seed, network).normal(*weights.shape)
            save(Path(f"{name}/{network}.safetensors"), {"net": built})

    def whole(self) -> None:
        """Draw the set in one job."""
        self._draw(self.unit, 1, {k: f"{WHOLE}{end}" for k, end in SET.items()}, "networks")

    def parts(self, shards: int) -> None:
        """Draw every part of the set."""
        for k in range(shards):
            self.part(k, shards)

    def part(self, shard: int, shards: int, networks: str = "networks") -> None:
        """Draw one part of the set."""
        made = {k: f"{PARTS}/{shard}{end}" for k, end in sample.PARTS.items()}
        self._draw(self.unit | {"shard": shard}, shards, made, networks)

    def _draw(self, unit: dict, shards: int, outputs: dict, networks: str) -> None:
        names = METHODS[self.method].networks
        inputs = {n: f"{networks}/{n}.safetensors" for n in names}
        if self.dataset == "mnist":
            inputs["data"] = sorted(Path("data/mnist").glob("train_*.npy"))
        modules = (METHODS[self.method].sampler,)
        run("sample", unit, self.settings(shards), inputs, outputs, modules=modules)

    def gather(self, shards: int) -> None:
        """Join the parts."""
        inputs = {
            kind: [f"{PARTS}/{k}{end}" for k in range(shards)] for kind, end in sample.PARTS.items()
        }
        outputs = {k: f"{JOINED}{end}" for k, end in SET.items()}
        run("gather", self.unit, self.settings(shards), inputs, outputs)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A place for a data set, which becomes the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NSGF_STATE", str(tmp_path / "state"))
    image_set(tmp_path / "data", "mnist", SHAPES["mnist"], n=8)
    return Place


def set_bytes(path: str) -> list[bytes]:
    return [Path(f"{path}{ending}").read_bytes() for ending in SET.values()]


@pytest.mark.parametrize("dataset", SHAPES)
def test_a_set_has_the_same_bytes_however_many_jobs_share_it(place, dataset):
    here = place(dataset)
    here.whole()
    for shards in (2, 3, 4):
        here.parts(shards)
        here.gather(shards)
        assert set_bytes(JOINED) == set_bytes(WHOLE), shards
    whole, joined = (read_json(sidecar(Path(f"{path}.npy"))) for path in (WHOLE, JOINED))
    assert joined["sha256"] == whole["sha256"]
    assert joined["facts"].items() <= whole["facts"].items()
    assert sorted(joined["inputs"]) == [
        f"{PARTS}/{k}.{e}" for k in range(4) for e in ("npy", "npz")
    ]


def test_a_killed_shard_goes_on_after_its_last_batch(place, monkeypatch, capsys):
    here = place("mnist")
    here.whole()
    draw, left = two_phase.draw, iter(range(1))

    def killed(*words):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return draw(*words)

    monkeypatch.setattr(two_phase, "draw", killed)
    with pytest.raises(KeyboardInterrupt):
        here.part(1, 2)
    assert not Path(PARTS).exists()
    monkeypatch.setattr(two_phase, "draw", draw)
    capsys.readouterr()
    here.parts(2)
    said = capsys.readouterr().out
    unit = "dataset=mnist,seed=0,sample=1,shard=1"
    assert said.splitlines() == [f"resumed nsgf++ {unit} at step 1"]
    here.gather(2)
    assert set_bytes(JOINED) == set_bytes(WHOLE)


def test_samples_that_left_the_range_of_numbers_are_refused_by_their_networks(place):
    here = place("moons")
    net = load(Path("networks/velocity.safetensors"))["net"]
    for weights in net.parameters():
        weights.data.fill_(1e30)
    save(Path("networks/velocity.safetensors"), {"net": net})
    with pytest.raises(NsgfError, match="left the range of float32") as caught:
        here.whole()
    assert "networks/velocity.safetensors" in str(caught.value)
    assert not Path(WHOLE).parent.exists()


def remove(here: Place) -> None:
    Path(f"{PARTS}/1.npz").unlink()


def lose_provenance(here: Place) -> None:
    sidecar(Path(f"{PARTS}/1.npy")).unlink()


def flip(here: Place) -> None:
    path = Path(f"{PARTS}/1.npy")
    body = bytearray(path.read_bytes())
    body[-1] ^= 1
    path.write_bytes(body)


def shorten(here: Place) -> None:
    """A part with a sample too few, and provenance that agrees with it."""
    path = Path(f"{PARTS}/1.npy")
    part = read_part(path)
    write_part(path, replace(part, x=part.x[:-1].clone()))
    for file in (path, path.with_suffix(".npz")):
        write_json(sidecar(file), read_json(sidecar(file)) | {"sha256": sha256_file(file)})


def swap(here: Place) -> None:
    for ending in ("npy", "npz", f"npy{SIDECAR}", f"npz{SIDECAR}"):
        shutil.copyfile(f"{PARTS}/0.{ending}", f"{PARTS}/1.{ending}")


def twice(here: Place) -> None:
    """The same part again, under a name that its provenance agrees with."""
    swap(here)
    for ending in ("npy", "npz"):
        beside = sidecar(Path(f"{PARTS}/1.{ending}"))
        write_json(beside, read_json(beside) | {"artefact": f"1.{ending}"})


def other_set(here: Place) -> None:
    here.unit = here.unit | {"sample": 2}
    here.parts(2)
    here.unit = here.unit | {"sample": 1}


def other_count(here: Place) -> None:
    here.parts(3)


def other_settings(here: Place) -> None:
    here.sampling = SAMPLING | {"path_samples": 1}


def other_network(here: Place) -> None:
    here.networks("networks", seed=1)
    here.part(1, 2)


@pytest.mark.parametrize(
    ("spoil", "part", "says"),
    [
        (remove, "1.npz", "is missing"),
        (lose_provenance, "1.npy", "has no provenance"),
        (flip, "1.npy", "is damaged: its bytes are not those that its provenance"),
        (shorten, "1.npy", "cannot be joined: it holds 3 samples"),
        (swap, "1.npy", "is that of another file"),
        (twice, "1.npy", "cannot be joined: it is not shard 1 of this set"),
        (other_set, "0.npy", "cannot be joined: it is not shard 0 of this set"),
        (other_count, "0.npy", "cannot be joined: it was made with other settings"),
        (other_settings, "0.npy", "cannot be joined: it was made with other settings"),
        (other_network, "1.npy", "cannot be joined: its code or inputs differ"),
    ],
)
def test_what_is_no_part_of_the_set_is_refused(place, spoil, part, says):
    here = place("moons")
    here.parts(2)
    spoil(here)
    with pytest.raises(NsgfError, match=says) as caught:
        here.gather(2)
    assert f"{PARTS}/{part}'" in caught.value.what
    assert caught.value.mend.endswith(f"nsgf make {PARTS}/{part}")
    assert not Path(JOINED).parent.exists()

"""Making a unit: damaged inputs are refused, work done elsewhere is taken, idle settings idle."""

import contextlib
import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from nsgf.artifact import sidecar, write_json
from nsgf.config.base import deciding, load
from nsgf.config.preset import Preset
from nsgf.config.train import TrainStage
from nsgf.engine import digests
from nsgf.engine.make import make
from nsgf.engine.state import work_state
from nsgf.errors import NsgfError
from nsgf.stages import gather, train
from tests.tasks import run, task

MODEL, CURVE = "results/a/seed0.safetensors", "results/a/seed0.csv"
FILES = (MODEL, CURVE, f"{MODEL}.prov.json", f"{CURVE}.prov.json")
TRAIN = {
    "seed": 0,
    "network": "straight",
    "training": {
        "net": {"kind": "mlp", "width": 8, "depth": 1},
        "iterations": 12,
        "batch_size": 8,
        "lr": 0.01,
        "checkpoint_every": 5,
    },
    "compute": {"device": "cpu"},
}


def training(**changes) -> tuple:
    """A tiny training, as `task` and `run` take it."""
    body = TRAIN | {"training": TRAIN["training"] | changes}
    settings = TrainStage.model_validate(body)
    unit = {"dataset": "moons", "seed": 0}
    return "train", unit, settings, {}, {"model": MODEL, "curve": CURVE}


def contents() -> list[bytes]:
    return [Path(name).read_bytes() for name in FILES]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A checkout of its own, with state of its own and no store."""
    monkeypatch.setenv("NSGF_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("NSGF_STORE", raising=False)
    (tmp_path / "one").mkdir()
    monkeypatch.chdir(tmp_path / "one")
    return tmp_path


# ---------------------------------------------------------------------------- settings


def test_idle_settings_decide_nothing_and_others_do():
    def config(**changes):
        return task(*training(**changes)).config

    assert config() == config(checkpoint_every=7)
    assert config() != config(log_every=7)
    preset = load(Path(__file__).parents[2] / "config/quick.yaml", Preset)
    study = deciding(preset)["studies"]["table1"]
    assert not {"resources", "shards"} & set(study)
    assert "checkpoint_every" not in study["networks"]["straight"]
    assert study["networks"]["straight"]["lr"] == 0.005
    assert json.loads(json.dumps(study)) == study


# ---------------------------------------------------------------------------- damaged inputs


def gathering() -> tuple:
    return "gather", {"dataset": "moons"}, gather_settings(), {"samples": [BIG]}, {"samples": "x"}


def gather_settings():
    return TrainStage.model_validate(TRAIN)  # any settings: the stage is not reached


BIG = "results/a/big.npy"


def given() -> Path:
    """An input of some megabytes, with provenance."""
    path = Path(BIG)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(2 * digests.SMALL))
    write_json(sidecar(path), {"artefact": path.name, "sha256": digests.sha256_file(path)})
    return path


def test_a_large_input_is_read_once_by_all_processes(monkeypatch):
    given()
    first = digests.Digests()
    found = first.of(BIG)
    first.keep()
    monkeypatch.setattr(digests, "sha256_file", lambda path: pytest.fail("read again"))
    assert digests.Digests().of(BIG) == found


def test_a_byte_flipped_with_the_time_stamp_restored_is_seen_and_refused(monkeypatch):
    path, made = given(), []
    monkeypatch.setattr(gather, "make", lambda *words: made.append(words))
    work = task(*gathering()[:4], {"samples": "results/a/out.npy"})
    Path("results/a/out.npy").write_text("made by a stand-in")
    make([work])
    assert len(made) == 1
    before, body = path.stat(), bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    with path.open("r+b") as file:  # in place: the same file on the disk
        file.write(body)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    with pytest.raises(NsgfError) as caught:
        make([work])
    assert f"'{BIG}' is damaged" in caught.value.what
    assert caught.value.mend.endswith(f"nsgf make {BIG}")
    assert len(made) == 1
    assert digests.altered([BIG], digests.Digests()) == [BIG]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: sidecar(path).unlink(), "has no provenance"),
        (lambda path: sidecar(path).write_text("{"), "cannot be read"),
        (lambda path: write_json(sidecar(path), {"artefact": "x"}), "is that of another file"),
    ],
)
def test_an_input_without_its_provenance_is_refused(monkeypatch, spoil, says):
    spoil(given())
    monkeypatch.setattr(gather, "make", lambda *words: pytest.fail("it was built upon"))
    with pytest.raises(NsgfError, match=says):
        make([task(*gathering())])


# ---------------------------------------------------------------------------- the store


@pytest.fixture
def store(folder, monkeypatch):
    """A store, with the training made in one checkout; then the other checkout is entered."""
    monkeypatch.setenv("NSGF_STORE", str(folder / "store"))
    run(*training())
    made = contents()
    (folder / "two").mkdir()
    monkeypatch.chdir(folder / "two")
    return folder / "store", made


def test_work_that_another_checkout_has_done_is_taken_with_its_provenance(store, monkeypatch):
    monkeypatch.setattr(train, "make", lambda *words: pytest.fail("it was done again"))
    run(*training())
    assert contents() == store[1]


def test_other_work_is_not_taken(store, monkeypatch):
    run(*training(lr=0.02))
    assert contents()[0] != store[1][0]


def damage_blob(root: Path) -> None:
    for blob in root.glob("blobs/*/*"):
        if blob.stat().st_size > 500:
            blob.write_bytes(blob.read_bytes()[:-1] + b"\0")


def cut_entry(root: Path) -> None:
    for entry in root.glob("work/*/*.json"):
        entry.write_text(entry.read_text()[:20])


def lose_blobs(root: Path) -> None:
    shutil.rmtree(root / "blobs")


@pytest.mark.parametrize("spoil", [damage_blob, cut_entry, lose_blobs])
def test_a_damaged_store_is_not_believed_and_the_work_is_done(store, spoil, monkeypatch):
    root, made = store
    spoil(root)
    run(*training())
    assert contents()[:2] == made[:2]
    for path in FILES[:2]:
        Path(path).unlink()
    monkeypatch.setattr(train, "make", lambda *words: pytest.fail("the store was not mended"))
    run(*training())
    assert contents()[:2] == made[:2]


def full(*words) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_the_state_of_work_that_is_done(monkeypatch, capsys):
    """Snakemake removes the outputs of a job that failed."""
    with monkeypatch.context() as patch:
        patch.setattr("nsgf.engine.make.record", full)
        with pytest.raises(OSError, match="No space left"):
            run(*training())
    shutil.rmtree("results")
    run(*training())
    assert "at step 10" in capsys.readouterr().out


def test_a_store_that_is_full_or_may_not_be_written_costs_no_work(store, monkeypatch, capsys):
    root, made = store
    damage_blob(root)
    with monkeypatch.context() as patch:
        patch.setattr("nsgf.engine.store.atomic", full)
        run(*training())
    assert "not kept in the store" in capsys.readouterr().out
    assert contents()[:2] == made[:2]


def test_nothing_is_stored_where_no_store_is_named(folder):
    run(*training())
    assert sorted(p.name for p in folder.iterdir()) == ["one", "state"]
    assert not list(folder.rglob("blobs"))


def test_units_before_a_failure_are_not_made_again(folder, monkeypatch, capsys):
    """Snakemake removes all outputs of the job, those of finished units too."""
    stage, unit, settings, inputs, outputs = training()
    second = {name: path.replace("seed0", "seed1") for name, path in outputs.items()}
    units = [
        task(stage, unit, settings, inputs, outputs),
        task(stage, unit | {"seed": 1}, settings, inputs, second),
    ]
    make(units)
    made = contents()[:2]
    shutil.rmtree("results")
    assert not list((folder / "state").glob("units-*"))

    real = train.make

    def failing(settings, unit, files):
        if unit["seed"] == 1:
            raise NsgfError("no second unit", "none")
        return real(settings, unit, files)

    with monkeypatch.context() as patch, pytest.raises(NsgfError, match="no second unit"):
        patch.setattr(train, "make", failing)
        make(units)
    shutil.rmtree("results")
    capsys.readouterr()
    make(units)
    assert capsys.readouterr().out.count("taken from the store") == 1
    assert contents()[:2] == made
    assert not list((folder / "state").glob("units-*"))


# ---------------------------------------------------------------------------- killed work


def killed(monkeypatch, steps: int) -> None:
    """The process of a training dies after some steps."""
    from nsgf.train.learner import Regression

    real, left = Regression.step, iter(range(steps))

    def step(self, k, numbers):
        next(left)
        return real(self, k, numbers)

    with monkeypatch.context() as patch:
        patch.setattr(Regression, "step", step)
        with pytest.raises(StopIteration):
            run(*training())


def test_killed_work_is_taken_up_whatever_the_idle_settings(folder, monkeypatch, capsys):
    killed(monkeypatch, 8)
    assert not Path(MODEL).exists()
    work = run(*training(checkpoint_every=4))
    assert "at step 5" in capsys.readouterr().out
    resumed = contents()[:2]
    assert json.loads(sidecar(Path(MODEL)).read_text())["facts"]["resumed_at"] == 5
    assert [p.name for p in (folder / "state").iterdir() if p.is_dir()] == []
    make([work])
    assert contents()[:2] == resumed


def test_a_checkpoint_of_other_work_is_not_taken_up(folder, monkeypatch, capsys):
    killed(monkeypatch, 8)
    run(*training(lr=0.02))
    assert "resumed" not in capsys.readouterr().out


@pytest.mark.parametrize("left", [0, 40, 200])
def test_state_with_an_array_that_was_cut_off_is_dropped(tmp_path, monkeypatch, capsys, left):
    """A writer that goes on in it would fill what is missing with zeros."""
    monkeypatch.setenv("NSGF_STATE", str(tmp_path))

    def enter(change=None):
        with contextlib.suppress(KeyboardInterrupt), work_state("pool") as folder:
            if change:
                change(folder)
            names = sorted(p.name for p in folder.iterdir())
            raise KeyboardInterrupt
        return names

    def fill(folder):
        np.save(folder / "x.npy", np.arange(100.0))
        (folder / "curve.csv").write_text("lines")

    assert enter(fill) == enter() == ["curve.csv", "lock", "x.npy"]
    enter(lambda folder: os.truncate(folder / "x.npy", left))
    assert enter() == ["lock"]
    assert "was cut off" in capsys.readouterr().out

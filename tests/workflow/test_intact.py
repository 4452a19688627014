"""What keeps a run from starting: damaged files, but not those that it will make anew."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from nsgf.artifact import sidecar
from nsgf.config.base import parse
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.lineage import needed
from nsgf.errors import NsgfError
from tests import tiny_run
from tests.workflow.checkout import ROOT, Checkout

POOL = "results/small/pools/moons/flow/seed0/shard0/v.npy"
SAMPLES = "results/small/samples/moons/nsgf/seed0-0.npy"
OTHERS = "results/small/samples/moons/fm,nfe=10/seed0-0.npy"


@pytest.fixture
def refuse(monkeypatch):
    """`refuse_damaged`, as the driver has it."""
    monkeypatch.syspath_prepend(ROOT / "workflow")
    from before import refuse_damaged

    return refuse_damaged


@pytest.fixture
def damaged(small: Checkout, tmp_path, monkeypatch) -> Iterator[None]:
    """A pool and samples of both methods with a byte more."""
    monkeypatch.chdir(small.folder)
    monkeypatch.setenv("NSGF_STATE", str(tmp_path))
    kept = {path: path.read_bytes() for path in map(Path, (POOL, SAMPLES, OTHERS))}
    try:
        for path, body in kept.items():
            path.write_bytes(body + b"x")
        yield
    finally:
        for path, body in kept.items():
            path.write_bytes(body)


def changed(**settings) -> list:
    """Jobs of the finished run's preset with other settings of its study."""
    whole = tiny_run.small()
    study = whole["studies"]["table1"]
    for key, value in settings.items():
        *outer, last = key.split("__")
        place = study
        for name in outer:
            place = place[name]
        place[last] = value
    return jobs(parse(whole, Preset, "small"))


def named(refuse, every: list) -> set[str]:
    """Damaged files that are named."""
    try:
        refuse(every)
    except NsgfError as error:
        return {path for path in (POOL, SAMPLES, OTHERS) if path in error.what}
    return set()


def test_all_damaged_files_are_named(damaged, refuse):
    assert named(refuse, changed()) == {POOL, SAMPLES, OTHERS}


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({"flow__blur": 0.4}, {OTHERS}),  # the pool, and what rests on it
        ({"networks__velocity__iterations": 3}, {POOL, OTHERS}),
        ({"networks__straight__iterations": 3}, {POOL, SAMPLES}),
        ({"sampling__n_samples": 12}, {POOL}),
        ({"networks__velocity__checkpoint_every": 3}, {POOL, SAMPLES, OTHERS}),
        ({"metrics__floor_draws": 2}, {POOL, SAMPLES, OTHERS}),
    ],
)
def test_what_changed_settings_make_anew_blocks_nothing(damaged, refuse, settings, left):
    assert named(refuse, changed(**settings)) == left


def test_what_other_code_made_blocks_nothing(damaged, refuse):
    beside = sidecar(Path(POOL))
    account = beside.read_text()
    try:
        beside.write_text(json.dumps(json.loads(account) | {"code": "0"}))
        assert named(refuse, changed()) == {OTHERS}
    finally:
        beside.write_text(account)


def test_what_is_not_asked_for_blocks_nothing(damaged, refuse):
    asked = needed(changed(), ["results/small/metrics/moons/fm,nfe=10.json"])
    assert {job.stage for job in asked} == {"train", "sample", "reference", "evaluate"}
    assert named(refuse, asked) == {OTHERS}


def test_a_sound_run_passes_at_once(small, tmp_path, monkeypatch, refuse):
    monkeypatch.chdir(small.folder)
    monkeypatch.setenv("NSGF_STATE", str(tmp_path))
    every = changed()
    begun = time.monotonic()
    refuse(every)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({}, []),
        ({"memory_mb": 1e9}, ["Warning: job moons-train-fm needs about 1000000.0 GB of memory"]),
        ({"disk_bytes": 1e18}, ["Warning: the run needs about 1000000000.0 GB of disk"]),
        ({"mem_mb": 10**9}, ["Warning: studies.table1: a job of stage train asks for 1000000000"]),
    ],
)
def test_what_this_machine_has_not_is_said_before_a_run(monkeypatch, capsys, about, says):
    monkeypatch.syspath_prepend(ROOT / "workflow")
    from before import warn_of_scarcity

    asks = SimpleNamespace(mem_mb=about.get("mem_mb", 1))
    job = SimpleNamespace(name="moons-train-fm", study="table1", stage="train", resources=asks)
    amounts = {key: about.get(key, 1.0) for key in ("memory_mb", "disk_bytes")}
    warn_of_scarcity([SimpleNamespace(job=job, **amounts)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(says)
    assert all(line.startswith(said) for line, said in zip(lines, says, strict=True))

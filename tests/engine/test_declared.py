"""Files that a law declares are inputs of everything that rests on it."""

from dataclasses import replace

from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import tasks
from nsgf.engine.make import work_key
from nsgf.registry import DATASETS

RESTING = {"build-pool", "train", "sample", "reference", "evaluate", "targets", "figure"}


def test_a_changed_file_of_a_law_makes_other_work_of_all_that_rests_on_it(monkeypatch):
    spec = replace(DATASETS["moons"], files=("data/cloud.npy",))
    monkeypatch.setitem(DATASETS, "moons", spec)
    every = tasks(load("config/quick.yaml", Preset))
    reading = [task for task in every if "data/cloud.npy" in task.reads]
    assert {task.stage for task in reading} == RESTING
    apart = ("8gaussians", "mnist")
    assert not [t for t in reading if t.unit.get("dataset") in apart]
    pool = next(task for task in reading if task.stage == "build-pool")
    one, other = (work_key(pool, {"data/cloud.npy": digest}) for digest in ("a" * 64, "b" * 64))
    assert one != other

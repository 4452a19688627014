"""Tasks by hand: a stage with settings and files of a test's own, made as a job would make it."""

from collections.abc import Mapping
from pathlib import Path

from nsgf.config.base import Model
from nsgf.engine.make import make
from nsgf.engine.task import Task
from nsgf.registry import DATASETS


def task(
    stage: str, unit: dict, settings: Model, inputs: Mapping, outputs: Mapping, **about
) -> Task:
    """A task of `stage`; paths may be Path, or lists of them."""
    named = {
        name: str(p) if isinstance(p, str | Path) else tuple(map(str, p))
        for name, p in inputs.items()
    }
    spec = DATASETS.get(unit.get("dataset"))
    modules = (*about.pop("modules", ()), *(spec.modules if spec else ()))
    made = {name: str(p) for name, p in outputs.items()}
    return Task(stage, unit, settings, named, made, modules=modules, **about)


def run(
    stage: str, unit: dict, settings: Model, inputs: Mapping, outputs: Mapping, **about
) -> Task:
    """Make it; returns the task."""
    work = task(stage, unit, settings, inputs, outputs, **about)
    make([work])
    return work

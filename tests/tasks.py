"""Tasks by hand: a stage with settings and files of a test's own, made as a job would make it."""

import json
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from nsgf.artifact import sha256_file, sidecar
from nsgf.config.base import Model
from nsgf.engine.make import make
from nsgf.engine.task import Job, Task
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


def given(path: str | Path, text: str | None = None) -> None:
    """An artefact as if a task had made it: with `text`, or as it is there, and provenance."""
    path = Path(path)
    if text is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    body = {"artefact": path.name, "sha256": sha256_file(path)}
    sidecar(path).write_text(json.dumps(body))


def in_order(every: Iterable[Job]) -> list[Job]:
    """Jobs, each after those whose outputs it reads."""
    jobs = {job.name: job for job in every}
    maker = {path: job.name for job in jobs.values() for path in job.outputs}
    before = {n: {maker[p] for p in job.inputs if p in maker} for n, job in jobs.items()}
    return [jobs[name] for name in TopologicalSorter(before).static_order()]

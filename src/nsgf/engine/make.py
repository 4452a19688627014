"""Make one unit of work: check what it reads, take it from the store or do it, record it.

A stage's own `make` sees plain settings and paths. What no stage should have to know of is here:
damaged inputs, work that was done elsewhere, a killed run's state, provenance and times.
"""

import importlib
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nsgf import numerics
from nsgf.artifact import sha256_json, write_json
from nsgf.engine.code import stage_module
from nsgf.engine.digests import Digests, checked
from nsgf.engine.provenance import account, record
from nsgf.engine.state import state_root, work_state
from nsgf.engine.store import Store
from nsgf.engine.task import Task
from nsgf.errors import NsgfError

TAKEN = "taken from the store"  # said of work that was not done here


@dataclass(frozen=True)
class Files:
    """What a stage's `make` reads and writes.

    Attributes:
        inputs: a path, or a list of paths, by name.
        outputs: where each output goes; written whole or not at all.
        state: a folder that outlives a kill and is gone when the work is done.
    """

    inputs: Mapping[str, Path | list[Path]]
    outputs: Mapping[str, Path]
    state: Path


def make(tasks: Iterable[Task]) -> None:
    """Make units one after the other.

    Snakemake removes the outputs of a job that fails. So that units before a failure or a kill are
    not lost with it, they are kept aside until the last one is done, if no store has them.

    Raises:
        NsgfError: an input is missing or damaged, this process cannot compute as the settings say,
            or what the stage itself refuses.
    """
    tasks, digests, store = list(tasks), Digests(), Store.configured()
    modes = sorted({task.numerics for task in tasks} - {None})
    if len(modes) > 1:
        raise NsgfError(f"one process cannot be {' and '.join(modes)}", "make one path at a time")
    numerics.apply(*modes or [numerics.best()])
    aside = None
    if store is None and len(tasks) > 1:
        name = sha256_json([str(Path.cwd()), *(task.artefacts[0] for task in tasks)])
        store = aside = Store(state_root() / f"units-{name[:16]}")
    try:
        for task in tasks:
            _make(task, digests, store)
    finally:
        digests.keep()
    if aside:
        aside.remove()


def _make(task: Task, digests: Digests, store: Store | None) -> None:
    given = checked(task.reads, digests)
    key = work_key(task, given)
    if task.local:  # seconds each, or an answer about this machine, which no other has
        store = None
    done = store.take(key, task.outputs) if store else None
    if done is None:
        with work_state(key) as state:
            start = time.monotonic()
            facts = _stage(task).make(task.settings, task.unit, _files(task, state))
            numerics.check()
            done = account(facts or {}) | {"seconds": round(time.monotonic() - start, 3)}
            record(task, given, done)
            if store:
                store.put(key, task.outputs, done)
    else:
        print(f"{TAKEN}: {task.artefacts[0]}", flush=True)
        record(task, given, done)
    if task.timing:
        write_json(Path(task.timing), {"seconds": done["seconds"]})


def work_key(task: Task, given: Mapping[str, str]) -> str:
    """Digest of all that fixes the work: equal keys, equal bytes, wherever files lie.

    Args:
        task: the work.
        given: digest of each input, by path.
    """
    inputs = {
        name: given[paths] if isinstance(paths, str) else [given[p] for p in paths]
        for name, paths in task.inputs.items()
    }
    set_by_user = {k: os.environ.get(k) for k in numerics.VARIABLES}  # what libraries read
    where = [_device(task.settings), numerics.kind(), set_by_user]
    return sha256_json([task.stage, task.unit, task.config, task.code, inputs, where])[:40]


def _stage(task: Task):
    return importlib.import_module(stage_module(task.stage))


def _files(task: Task, state: Path) -> Files:
    inputs = {
        name: Path(paths) if isinstance(paths, str) else [Path(p) for p in paths]
        for name, paths in task.inputs.items()
    }
    return Files(inputs, {name: Path(p) for name, p in task.outputs.items()}, state)


def _device(settings: object) -> str:
    """Where the work runs: `auto` is another device on another machine."""
    compute = getattr(settings, "compute", None)
    if compute is None or compute.device != "auto":
        return compute.device if compute else ""
    from nsgf.device import pick

    where = pick("auto")
    if where.type == "cuda":
        import torch

        return f"{where} {torch.cuda.get_device_name(where)}"
    return str(where)

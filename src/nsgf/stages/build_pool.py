"""Trajectory pool shards, resumed at the minibatch where a kill stopped them."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from nsgf.config.pool import PoolStage
from nsgf.engine.branch import split
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.errors import NotConverged, NsgfError
from nsgf.registry import BACKENDS, SHARD_CURVE, SHARD_META, STORAGES, lookup, module_of

FLUSH_EVERY = 16  # minibatches between resume points
LOSS = "loss.json"
SLACK = 0.01


def tasks(outline: Outline) -> Iterator[Task]:
    """Every shard of every pool that a cell learns from, if it lies on disk."""
    for branch in outline.branches:
        for placed in (p for p in branch.cells if p.pool):
            settings = branch.pool_stage(placed.cell)
            for unit in (u for seed in branch.seeds for u in split(seed, settings.pool.shards)):
                yield branch.task(
                    "build-pool",
                    placed.pool,
                    unit,
                    settings=settings,
                    inputs={"data": branch.problem_files},
                    outputs=shard_files(placed.pool.format(**unit), settings),
                    modules=modules_of(settings),
                    timing=outline.layout.seconds(placed.pool.format(**unit)),
                )


def shard_files(folder: str, settings: PoolStage) -> dict[str, str]:
    """Files of a shard, by name; the curve is a record for people, which training does not read."""
    names = (*STORAGES[settings.pool.storage].files, SHARD_META, SHARD_CURVE)
    return {name: f"{folder}/{name}" for name in names}


def modules_of(settings: PoolStage) -> tuple[str, ...]:
    """Code of a pool that no import shows."""
    return (BACKENDS[settings.flow.backend], STORAGES[settings.pool.storage].module)


def make(settings: PoolStage, unit, files) -> dict:
    """Build one shard (dataset, seed, shard)."""
    from nsgf.data.problem import problem_from

    return build(settings, unit, files, problem_from(unit["dataset"], files.inputs.get("data")))


def build(settings: PoolStage, unit, files, problem) -> dict:
    """Build a shard of a problem's pool, as `make`."""
    import shutil

    from nsgf.artifact import atomic
    from nsgf.device import set_up
    from nsgf.flows.pool import batches_of_shard

    device, storage = set_up(settings.compute), STORAGES[settings.pool.storage]
    lookup(BACKENDS, settings.flow.backend, "backend")
    form = module_of(storage.module)
    mine = batches_of_shard(settings.pool.batches, settings.pool.shards, unit["shard"])
    resumed, loss = _fill_shard(form, settings, unit, problem, mine, files.state)
    worst = _check_descent(files.state / SHARD_CURVE, unit)
    _describe(settings, unit, mine, problem, files.state / SHARD_META)
    for name, target in files.outputs.items():
        with atomic(target) as temporary:
            shutil.copyfile(files.state / name, temporary)
    _remove_other_forms(files.outputs[SHARD_META].parent, set(files.outputs))
    facts = {"batches": [mine.start, mine.stop], "resumed_at": resumed, "device": str(device)}
    return facts | {"velocity_error_max": worst, "storage_error_max": loss}


def _fill_shard(
    form: ModuleType, settings: PoolStage, unit, problem, mine: range, state: Path
) -> tuple[int, float]:
    """Compute what is missing.

    Returns: how many minibatches a killed run had left, and the largest relative error of a step's
    velocities that storing them caused.
    """
    import os

    from nsgf.artifact import read_kept_json, write_json
    from nsgf.flows.minibatch import minibatches
    from nsgf.flows.pool import curve_rows
    from nsgf.progress import bar

    kept = read_kept_json(state / LOSS)
    if kept is None:  # nothing is done yet, or nobody knows any more what storing it has cost
        (state / SHARD_CURVE).unlink(missing_ok=True)
    done, loss = _resume(state / SHARD_CURVE, settings.flow.steps), (kept or {"loss": 0.0})["loss"]
    if done:
        print(f"resumed pool {unit_text(unit)} at step {done}", flush=True)
    writer, lines = form.Writer(state, len(mine), done, settings, problem), []
    with bar(len(mine), f"pool {unit['dataset']} seed {unit['seed']}", done) as progress:
        for k in range(done, len(mine), form.GROUP):
            batches = mine[k : k + form.GROUP]
            try:
                ends = minibatches(problem, settings, unit, batches)
                divergence, error, lost = writer.put(k, ends)
            except NotConverged as trouble:
                which = f"minibatches {batches.start} to {batches.stop - 1} of {unit_text(unit)}"
                raise NotConverged(
                    f"{which}: {trouble.what}", "raise flow.tol or flow.blur"
                ) from trouble
            loss = max(loss, lost)
            for batch, s, e in zip(batches, divergence.T, error.T, strict=True):
                lines += curve_rows(batch, s, e)
            progress.update(len(batches))
            if (k + len(batches)) % FLUSH_EVERY < form.GROUP or batches.stop == mine.stop:
                # The curve counts what is done, so it must not run ahead of the arrays.
                writer.flush()
                write_json(state / LOSS, {"loss": loss})
                with (state / SHARD_CURVE).open("a") as curve:
                    curve.writelines(lines)
                    curve.flush()
                    os.fsync(curve.fileno())
                lines = []
        writer.finish()
    return done, loss


def _describe(settings: PoolStage, unit, mine: range, problem, path: Path) -> None:
    """What a reader needs beside the arrays."""
    from nsgf.artifact import write_json
    from nsgf.flows.minibatch import stream_names

    about = {
        "storage": settings.pool.storage,
        "steps": settings.flow.steps,
        "step_size": settings.flow.stride,
        "first": mine.start,
        "stream": [settings.seed, *stream_names(unit)],
        "shape": list(problem.shape),
    }
    if settings.pool.storage == "coefficients":
        about["images"] = len(problem)
    write_json(path, about)


def _remove_other_forms(folder: Path, files: set[str]) -> None:
    """Take away the arrays of another storage, which nothing would read or verify any more."""
    from nsgf.artifact import sidecar

    others = {name for storage in STORAGES.values() for name in storage.files} - files
    for path in (folder / name for name in others):
        path.unlink(missing_ok=True)
        sidecar(path).unlink(missing_ok=True)


def _resume(curve: Path, steps: int) -> int:
    """Minibatches whose lines are complete in the curve; cuts off what a kill left half-written."""
    from nsgf.flows.pool import CURVE_HEADER

    lines = curve.read_text().splitlines(keepends=True) if curve.exists() else []
    whole = (max(0, len([ln for ln in lines if ln.endswith("\n")]) - 1) // steps) * steps
    curve.write_text(CURVE_HEADER + "".join(lines[1 : 1 + whole]))
    return whole // steps


def _check_descent(curve: Path, unit) -> float:
    """The mean divergence must fall along the flow (NSGF, Proposition 1).

    Near the target a solver of fixed effort wavers by its own error; a rise counts from SLACK of
    the divergence at the start. Returns the largest error of the shard's velocities.

    Raises:
        NsgfError: it rises: the step is too long or the velocities are wrong.
    """
    import numpy as np

    _, step, divergence, error = np.loadtxt(curve, delimiter=",", skiprows=1, ndmin=2).T
    mean = np.array([divergence[step == k].mean() for k in np.unique(step)])
    if (np.diff(mean) > SLACK * mean[0]).any() or mean[-1] > mean[0]:
        raise NsgfError(
            f"the Sinkhorn divergence of pool {unit_text(unit)} does not decrease: "
            + ", ".join(f"{m:.4g}" for m in mean),
            "take a shorter step_size, a larger blur or a larger scaling",
        )
    return float(error.max())


def unit_text(unit) -> str:
    """A unit in words."""
    return ",".join(f"{k}={v}" for k, v in unit.items())

"""`nsgf build-pool`: trajectory pool shards, resumed at the minibatch where a kill stopped them."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from nsgf.artifact import atomic, digest, read_json, record, sidecar, write_json
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.pool import PoolStage
from nsgf.data.problem import Problem, open_problem, training_files
from nsgf.device import set_up
from nsgf.errors import NotConverged, NsgfError
from nsgf.flows.minibatch import minibatches, stream_names
from nsgf.flows.pool import CURVE_HEADER, batches_of_shard, curve_rows
from nsgf.progress import bar
from nsgf.registry import BACKENDS, DATASETS, SHARD_CURVE, SHARD_META, STORAGES, lookup, module_of
from nsgf.stages.unit import Unit, fill, require, unit_text
from nsgf.state import WorkState

FLUSH_EVERY = 16  # minibatches between resume points
LOSS = "loss.json"
SLACK = 0.01


def run(config: Path, units: Sequence[Unit], data: Path | None, out: str) -> None:
    """Build the shards `units` (dataset, seed, shard) into folders `out`."""
    stage = load(config, PoolStage)
    device = set_up(stage.compute)
    for unit in units:
        require(unit, "dataset", "seed", "shard")
        problem = open_problem(unit["dataset"], data)
        _build(stage, unit, problem, training_files(unit["dataset"], data), device, fill(out, unit))


def _build(stage: PoolStage, unit: Unit, problem: Problem, inputs, device, folder: Path) -> None:
    settings, storage = stage.model_dump(mode="json"), STORAGES[stage.pool.storage]
    if not storage.files:
        raise NsgfError(
            f"a {stage.pool.storage} pool has no files to build", "train with it at once"
        )
    if stage.pool.storage == "coefficients" and not DATASETS[unit["dataset"]].is_image:
        raise NsgfError(
            f"pool.storage coefficients is for image sets, not '{unit['dataset']}'", "use points"
        )
    used = (lookup(BACKENDS, stage.flow.backend, "backend"), storage.module)
    code = stage_code("build-pool", unit["dataset"], used=used)
    form = module_of(storage.module)
    mine = batches_of_shard(stage.pool.batches, stage.pool.shards, unit["shard"])
    key = ["pool", settings, code, unit, str(device), [digest(p) for p in inputs]]
    with WorkState(key) as state:
        resumed, loss = _fill_shard(form, stage, unit, problem, mine, state)
        worst = _check_descent(state / SHARD_CURVE, unit)
        _describe(stage, unit, mine, problem, state / SHARD_META)
        files = [folder / name for name in (*storage.files, SHARD_META, SHARD_CURVE)]
        for file in files:
            with atomic(file) as temporary:
                shutil.copyfile(state / file.name, temporary)
        _remove_other_forms(folder, storage.files)
        facts = {"unit": unit, "batches": [mine.start, mine.stop], "resumed_at": resumed}
        facts |= {"marginal_error_max": worst, "storage_error_max": loss, "device": str(device)}
        record(
            *files,
            stage="build-pool",
            config=settings,
            seed=stage.seed,
            code=code,
            inputs=inputs,
            facts=facts,
        )


def _fill_shard(
    form: ModuleType, stage: PoolStage, unit: Unit, problem: Problem, mine: range, state: Path
) -> tuple[int, float]:
    """Compute what is missing.

    Returns: how many minibatches a killed run had left, and the largest relative error of a step's
    velocities that storing them caused.
    """
    done = _resume(state / SHARD_CURVE, stage.flow.steps)
    loss = read_json(state / LOSS) if done else 0.0
    if done:
        print(f"resumed pool {unit_text(unit)} at step {done}", flush=True)
    writer, lines = form.Writer(state, len(mine), done, stage, problem), []
    with bar(len(mine), f"pool {unit['dataset']} seed {unit['seed']}", done) as progress:
        for k in range(done, len(mine), form.GROUP):
            batches = mine[k : k + form.GROUP]
            try:
                divergence, error, lost = writer.put(k, minibatches(problem, stage, unit, batches))
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
                write_json(state / LOSS, loss)
                with (state / SHARD_CURVE).open("a") as curve:
                    curve.writelines(lines)
                    curve.flush()
                    os.fsync(curve.fileno())
                lines = []
        writer.finish()
    return done, loss


def _describe(stage: PoolStage, unit: Unit, mine: range, problem: Problem, path: Path) -> None:
    """What a reader needs beside the arrays."""
    about = {
        "storage": stage.pool.storage,
        "steps": stage.flow.steps,
        "step_size": stage.flow.step_size,
        "first": mine.start,
        "stream": [stage.seed, *stream_names(unit)],
        "shape": list(problem.shape),
    }
    if stage.pool.storage == "coefficients":
        about["images"] = len(problem)
    write_json(path, about)


def _remove_other_forms(folder: Path, files: Sequence[str]) -> None:
    """Take away the arrays of another storage, which nothing would read or verify any more."""
    others = {name for storage in STORAGES.values() for name in storage.files} - set(files)
    for path in (folder / name for name in others):
        path.unlink(missing_ok=True)
        sidecar(path).unlink(missing_ok=True)


def _resume(curve: Path, steps: int) -> int:
    """Minibatches whose lines are complete in the curve; cuts off what a kill left half-written."""
    lines = curve.read_text().splitlines(keepends=True) if curve.exists() else []
    whole = (max(0, len([ln for ln in lines if ln.endswith("\n")]) - 1) // steps) * steps
    curve.write_text(CURVE_HEADER + "".join(lines[1 : 1 + whole]))
    return whole // steps


def _check_descent(curve: Path, unit: Unit) -> float:
    """The mean divergence must fall along the flow (NSGF, Proposition 1).

    Near the target a solver of fixed effort wavers by its own error; a rise counts from SLACK of
    the divergence at the start. Returns the largest marginal error of the shard.

    Raises:
        NsgfError: it rises: the step is too long or the velocities are wrong.
    """
    _, step, divergence, error = np.loadtxt(curve, delimiter=",", skiprows=1, ndmin=2).T
    mean = np.array([divergence[step == k].mean() for k in np.unique(step)])
    if (np.diff(mean) > SLACK * mean[0]).any() or mean[-1] > mean[0]:
        raise NsgfError(
            f"the Sinkhorn divergence of pool {unit_text(unit)} does not decrease: "
            + ", ".join(f"{m:.4g}" for m in mean),
            "take a shorter step_size, a larger blur or a larger scaling",
        )
    return float(error.max())

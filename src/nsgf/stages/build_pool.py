"""`nsgf build-pool`: trajectory pool shards, resumed at the minibatch where a kill stopped them."""

import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nsgf.artifact import atomic, digest, record
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.pool import PoolStage
from nsgf.data.problem import Problem, open_problem, training_files
from nsgf.device import set_up
from nsgf.errors import NsgfError
from nsgf.flows.pool import (
    ARRAYS,
    CURVE,
    CURVE_HEADER,
    allocate,
    batches_of_shard,
    curve_rows,
    trajectory,
)
from nsgf.progress import bar
from nsgf.registry import BACKENDS, lookup
from nsgf.stages.unit import Unit, fill, require, unit_text
from nsgf.state import WorkState

FLUSH_EVERY = 16  # minibatches between resume points
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
    settings = stage.model_dump(mode="json")
    code = stage_code(
        "build-pool", unit["dataset"], used=(lookup(BACKENDS, stage.flow.backend, "backend"),)
    )
    mine = batches_of_shard(stage.pool.batches, stage.pool.shards, unit["shard"])
    key = ["pool", settings, code, unit, str(device), [digest(p) for p in inputs]]
    with WorkState(key) as state:
        resumed = _fill_arrays(stage, unit, problem, mine, state)
        worst = _check_descent(state / CURVE, unit)
        files = [folder / name for name in (*ARRAYS, CURVE)]
        for file in files:
            with atomic(file) as temporary:
                shutil.copyfile(state / file.name, temporary)
        facts = {"unit": unit, "batches": [mine.start, mine.stop], "resumed_at": resumed}
        record(
            *files,
            stage="build-pool",
            config=settings,
            seed=stage.seed,
            code=code,
            inputs=inputs,
            facts=facts | {"marginal_error_max": worst, "device": str(device)},
        )


def _fill_arrays(stage: PoolStage, unit: Unit, problem: Problem, mine: range, state: Path) -> int:
    """Compute what is missing; returns how many minibatches a killed run had left."""
    x, v = allocate(state, len(mine), stage, math.prod(problem.shape))
    done = _resume(state / CURVE, stage.flow.steps)
    if done:
        print(f"resumed pool {unit_text(unit)} at step {done}", flush=True)
    with (
        bar(len(mine), f"pool {unit['dataset']} seed {unit['seed']}", done) as progress,
        (state / CURVE).open("a") as curve,
    ):
        for k in range(done, len(mine)):
            flow = trajectory(problem, stage, unit["dataset"], unit["seed"], mine[k])
            x[k], v[k] = flow.x.cpu().numpy(), flow.v.cpu().numpy()
            curve.writelines(curve_rows(mine[k], flow))
            progress.update()
            if (k + 1) % FLUSH_EVERY == 0:
                # The curve counts what is done, so it must not run ahead of the arrays.
                x.flush(), v.flush()
                curve.flush()
                os.fsync(curve.fileno())
        x.flush(), v.flush()
    return done


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

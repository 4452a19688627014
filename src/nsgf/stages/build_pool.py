"""`nsgf build-pool`: trajectory pool shards, resumed at the minibatch where a kill stopped them."""

import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from nsgf.artifact import atomic, record
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.pool import PoolStage
from nsgf.data.problem import Problem, open_problem
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
from nsgf.stages.unit import Unit, fill
from nsgf.state import WorkState

FLUSH_EVERY = 16  # minibatches between resume points
SLACK = 0.01


def run(config: Path, units: Sequence[Unit], data: Path | None, out: str) -> None:
    """Build the shards `units` (dataset, seed, shard) into folders `out`."""
    stage = load(config, PoolStage)
    set_up(stage.compute)
    for unit in units:
        _build(stage, unit, open_problem(unit["dataset"], data), fill(out, unit))


def _build(stage: PoolStage, unit: Unit, problem: Problem, folder: Path) -> None:
    code = stage_code("build-pool", unit["dataset"])
    mine = batches_of_shard(stage.pool.batches, stage.pool.shards, unit["shard"])
    key = ["pool", stage.model_dump(mode="json"), code, unit]
    with WorkState(key) as state:
        _fill_arrays(stage, unit, problem, mine, state)
        files = [folder / name for name in (*ARRAYS, CURVE)]
        for file in files:
            with atomic(file) as temporary:
                shutil.copyfile(state / file.name, temporary)
        record(
            *files,
            stage="build-pool",
            config=stage.model_dump(mode="json"),
            seed=stage.seed,
            code=code,
            facts={"unit": unit, "batches": [mine.start, mine.stop]},
        )


def _fill_arrays(stage: PoolStage, unit: Unit, problem: Problem, mine: range, state: Path) -> None:
    x, v = allocate(state, len(mine), stage, math.prod(problem.shape))
    done = _resume(state / CURVE, stage.flow.steps)
    if done:
        print(f"resumed pool {unit} at step {done}", flush=True)
    energies = []
    with (
        bar(len(mine), f"pool {unit['dataset']} seed {unit['seed']}", done) as progress,
        (state / CURVE).open("a") as curve,
    ):
        for k in range(done, len(mine)):
            flow = trajectory(problem, stage, unit["dataset"], unit["seed"], mine[k])
            x[k], v[k] = flow.x.cpu().numpy(), flow.v.cpu().numpy()
            energies.append(flow.divergence)
            curve.writelines(curve_rows(mine[k], flow))
            progress.update()
            if (k + 1) % FLUSH_EVERY == 0:
                # The curve counts what is done, so it must not run ahead of the arrays.
                x.flush(), v.flush()
                curve.flush()
                os.fsync(curve.fileno())
        x.flush(), v.flush()
    _check_descent(energies, unit)


def _resume(curve: Path, steps: int) -> int:
    """Minibatches whose lines are complete in the curve; cuts off what a kill left half-written."""
    lines = curve.read_text().splitlines(keepends=True) if curve.exists() else []
    whole = (max(0, len([ln for ln in lines if ln.endswith("\n")]) - 1) // steps) * steps
    curve.write_text(CURVE_HEADER + "".join(lines[1 : 1 + whole]))
    return whole // steps


def _check_descent(energies: list, unit: Unit) -> None:
    """The mean divergence must fall along the flow (NSGF, Proposition 1).

    Near the target a solver of fixed effort wavers by its own error; a rise counts from SLACK of
    the divergence at the start.

    Raises:
        NsgfError: it rises: the step is too long or the velocities are wrong.
    """
    if not energies:
        return
    mean = sum(energies) / len(energies)
    if bool((mean[1:] - mean[:-1] > SLACK * mean[0]).any()) or bool(mean[-1] > mean[0]):
        raise NsgfError(
            f"the Sinkhorn divergence of pool {unit} does not decrease: {mean.tolist()}",
            "take a shorter step_size, a larger blur or a larger scaling",
        )

"""Time and error of methods on one case.

First each method passes along the reference trajectory, which gives its errors and warms it up.
Then whole flows are timed in ROUNDS, every method in each, so that a machine that drifts in speed
drifts for all. A method whose pass took longer than SLOW_S is not run again: its pass is its time.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from nsgf.ops.bench.cases import Case
from nsgf.ops.bench.reference import Reference
from nsgf.ops.bench.solvers import Method
from nsgf.progress import bar

PASS_S = 120.0  # after which a pass ends before the trajectory does
SLOW_S = 20.0
ROUNDS, ROUND_S = 3, 0.7


@dataclass(frozen=True)
class Measurement:
    """One method on one case.

    Attributes:
        ms_per_velocity: median over flows of time / steps, for one problem of a batch.
        max_rel_error: largest |v - v*|_F / |v*|_F of any step and problem.
        steps: states of the trajectory at which the method was tried, count.
        flows: timed runs, count; 0 if the pass itself was the timing.
    """

    method: Method
    ms_per_velocity: float
    max_rel_error: float
    steps: int
    flows: int


def measure(
    case: Case, methods: Sequence[Method], reference: Reference, what: str
) -> list[Measurement]:
    """Measure `methods` side by side in float32, on the device that holds the reference.

    Args:
        what: title of the progress bar.
    """
    passes = []
    flows: list[list[float]] = [[] for _ in methods]
    with bar(len(methods) * (1 + ROUNDS), what) as progress:
        for method in methods:
            passes.append(_pass_along(case, method, reference))
            progress.update()
        for _ in range(ROUNDS):
            for method, (seconds, _), mine in zip(methods, passes, flows, strict=True):
                if seconds <= SLOW_S:
                    mine += _flows(case, method, reference)
                progress.update()
    found = []
    for method, (seconds, errors), mine in zip(methods, passes, flows, strict=True):
        per_step = median(mine) / case.n_steps if mine else seconds / len(errors)
        ms = 1e3 * per_step / (case.batch or 1)
        found.append(Measurement(method, ms, max(errors), len(errors), len(mine)))
    return found


def _pass_along(case: Case, method: Method, reference: Reference) -> tuple[float, list[float]]:
    """Seconds of all states together, and the error at each."""
    y, start, seconds = reference.y.float(), None, 0.0
    errors: list[float] = []
    for x, exact in zip(reference.x, reference.v, strict=True):
        x, began = x.float(), _clock(y)
        v, start = method.velocity(case, x, y, start)
        seconds += _clock(y) - began
        gap = (v.double() - exact).norm(dim=(-2, -1)) / exact.norm(dim=(-2, -1))
        errors.append(float(gap.max()))
        if seconds > PASS_S:
            break
    return seconds, errors


def _flows(case: Case, method: Method, reference: Reference) -> list[float]:
    """Seconds of each of as many flows as fit into ROUND_S, at least one."""
    x0, y = reference.x[0].float(), reference.y.float()
    method.flow(case, x0, y, 1)  # caches hold what the method before left
    found: list[float] = []
    while sum(found) < ROUND_S:
        began = _clock(y)
        method.flow(case, x0, y, case.n_steps)
        found.append(_clock(y) - began)
    return found


def _clock(tensor: Tensor) -> float:
    """Seconds, when all that was asked of the tensor's device is done."""
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
    return time.perf_counter()

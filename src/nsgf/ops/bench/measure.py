"""Time and error of methods on one case, for people and as JSON.

First each method passes along the reference trajectory, which gives its errors and warms it up.
Then whole flows are timed in ROUNDS, every method in each, so that a machine that drifts in speed
drifts for all. A method whose pass took longer than SLOW_S is not run again: its pass is its time.
"""

import contextlib
import math
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor

from nsgf.ops.bench.cases import Case, Reference
from nsgf.ops.bench.solvers import BASE, GOAL, SOLVERS, Method, paper, sweep
from nsgf.ops.text import columns
from nsgf.progress import bar

DEFAULT_TOL = 1e-3  # of `nsgf.ot.velocity`
PASS_S = 120.0  # after which a pass ends before the trajectory does
VELOCITY_S = 250.0  # after which one velocity is given up, where Python is asked now and then
SLOW_S = 20.0
ROUNDS, ROUND_S = 3, 0.7
HEAD = ("method", "effort", "ms / velocity", "max rel. error", "vs GeomLoss", "ours faster by")
FOOT = (
    "ms per velocity: a whole flow's time over its steps, median over flows, in a batch for one "
    "problem.\nerror: the largest |v - v*| / |v*| at the states of a float64 trajectory whose "
    "potentials are converged to 1e-9.\nours, at its default tol, computes the divergence too and "
    f"starts each step from the last; peers stand at their cheapest effort within {GOAL:g},\nor, "
    "if none is, at their dearest (!). GeomLoss, OTT-JAX and ours work in float32, the others in "
    "float64.\nOn images ours is timed through inner products; its error is that of the same "
    "solver from points, 3e-5 apart over a flow."
)


@dataclass
class Measurement:
    """One method on one case.

    Attributes:
        errors: |v - v*|_F / |v*|_F at each state of the trajectory that was tried, of the worst
            problem; inf where it was given up.
        pass_s: seconds of these states together.
        flows: seconds of whole flows; none if the pass itself was the timing.
        is_given_up: whether a velocity took longer than VELOCITY_S; its time is that at least.
    """

    case: Case
    method: Method
    errors: list[float] = field(default_factory=list)
    pass_s: float = 0.0
    flows: list[float] = field(default_factory=list)
    is_given_up: bool = False

    @property
    def ms_per_velocity(self) -> float:
        """Median over flows of time / steps, for one problem of a batch."""
        flow_s, steps = self.pass_s, len(self.errors)
        if self.flows:
            flow_s, steps = median(self.flows), self.case.n_steps
        return 1e3 * flow_s / steps / (self.case.batch or 1)

    @property
    def max_rel_error(self) -> float:
        """Of any step and problem."""
        return max(self.errors)

    @property
    def is_cut(self) -> bool:
        """Whether the pass ended before the trajectory did."""
        return len(self.errors) < self.case.n_steps or self.is_given_up

    @property
    def is_within_goal(self) -> bool:
        """Whether every velocity was."""
        return not self.is_cut and self.max_rel_error <= GOAL


def at_goal(case: Case, solver: str, reference: Reference) -> Measurement:
    """A solver at its cheapest effort within GOAL along the whole trajectory, or at its dearest."""
    efforts = sweep(solver)
    for method in efforts:
        tried = Measurement(case, method)
        _pass_along(tried, reference, GOAL if method != efforts[-1] else math.inf)
        if tried.is_within_goal or tried.is_given_up:
            break
    return tried


def compared(case: Case, solvers: Sequence[str], reference: Reference) -> list[Measurement]:
    """What a table compares: ours as users call it, GeomLoss as the paper does, peers at GOAL."""
    fixed = [Method("ours", "ours", DEFAULT_TOL), paper(case)]
    peers = [at_goal(case, name, reference) for name in solvers if name != "ours"]
    return [*(Measurement(case, method) for method in fixed), *peers]


def measure(
    case: Case, found: Sequence[Measurement], reference: Reference, what: str
) -> Sequence[Measurement]:
    """Measure `found` side by side in float32, on the device that holds the reference.

    Args:
        found: those without errors pass along the trajectory first.
        what: title of the progress bar.
    """
    with bar(len(found) * (1 + ROUNDS), what) as progress:
        for one in found:
            if not one.errors:
                _pass_along(one, reference)
            progress.update()
        for _ in range(ROUNDS):
            for one in found:
                if one.pass_s <= SLOW_S and not one.is_given_up:
                    one.flows += _flows(case, one.method, reference)
                progress.update()
    return found


def _pass_along(one: Measurement, reference: Reference, goal: float = math.inf) -> None:
    """Follow the trajectory to its end, to an error above `goal`, or to the end of patience."""
    y, start = reference.y.float(), None
    for x, exact in zip(reference.x, reference.v, strict=True):
        x, began = x.float(), _clock(y)
        try:
            with _at_most(VELOCITY_S):
                v, start = one.method.velocity(one.case, x, y, start)
        except TimeoutError:
            one.errors.append(math.inf)
            one.is_given_up = True
            one.pass_s += _clock(y) - began
            break
        one.pass_s += _clock(y) - began
        gap = (v.double() - exact).norm(dim=(-2, -1)) / exact.norm(dim=(-2, -1))
        one.errors.append(float(gap.max()))
        if one.pass_s > PASS_S or not one.errors[-1] <= goal:
            break


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in here after so long; of the main thread alone."""

    def end(*_) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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


def rows(case: str, threads: int, measured: Sequence[Measurement]) -> list[dict]:
    """Rows of one case, as --json has them; `BASE` is among the methods.

    `ms_per_velocity` is milliseconds for one problem of a batch, `max_rel_error` a fraction,
    `speedup_vs_geomloss` the ratio to GeomLoss at the paper's scaling, and `time_over_ours` that to
    our time. Of a method that was given up `max_rel_error` is None and its time a lower bound.
    """
    base, ours = _ms(BASE, measured), _ms("ours", measured)
    return [
        {
            "case": case,
            "method": m.method.name,
            "effort": float(m.method.effort),
            "threads": threads,
            "ms_per_velocity": m.ms_per_velocity,
            "max_rel_error": None if m.is_given_up else m.max_rel_error,
            "speedup_vs_geomloss": base / m.ms_per_velocity,
            "time_over_ours": m.ms_per_velocity / ours,
        }
        for m in measured
    ]


def notes(name: str, measured: Sequence[Measurement]) -> list[str]:
    """What was measured on less than repeated whole flows, a line each."""
    cut = f", cut off after {PASS_S:.0f} s"
    return [
        f"{name}, {m.method.name}: given up, a velocity takes over {VELOCITY_S:.0f} s"
        if m.is_given_up
        else f"{name}, {m.method.name}: time and error from one pass over {len(m.errors)} of the "
        f"{m.case.n_steps} steps{cut if m.is_cut else ''}"
        for m in measured
        if not m.flows
    ]


def text(name: str, measured: Sequence[Measurement]) -> str:
    """A case's table; a star marks what `notes` tells of."""
    lines, base, ours = [HEAD], _ms(BASE, measured), _ms("ours", measured)
    for m in measured:
        effort = f"{SOLVERS[m.method.solver].dial} {m.method.effort:g}"
        ms = f"{m.ms_per_velocity:.4g}" + ("" if m.flows else "*")
        missed = m.method.name != BASE and m.max_rel_error > GOAL
        error = f"{m.max_rel_error:.1e}" + "*" * m.is_cut + "!" * missed
        if m.is_given_up:
            error = "given up"
        ratios = (base / m.ms_per_velocity, m.ms_per_velocity / ours)
        lines.append((m.method.name, effort, ms, error, *(f"{r:.3g} x" for r in ratios)))
    return f"{name}: {measured[0].case.text}\n{columns(lines, right=(2, 3, 4, 5))}"


def _ms(name: str, measured: Sequence[Measurement]) -> float:
    """Milliseconds of one method."""
    return next(m.ms_per_velocity for m in measured if m.method.name == name)

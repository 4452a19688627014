"""The rows of a benchmark, for people and as JSON."""

from collections.abc import Sequence

from nsgf.ops.bench.cases import Case
from nsgf.ops.bench.measure import PASS_S, Measurement
from nsgf.ops.bench.solvers import BASE, SOLVERS
from nsgf.ops.text import columns

HEAD = ("method", "effort", "ms / velocity", "max rel. error", "vs GeomLoss")
FOOT = (
    "ms per velocity: a whole flow's time over its steps, median over flows, in a batch for one "
    "problem.\nerror: the largest |v - v*| / |v*| at the states of a float64 trajectory whose "
    "potentials are converged to 1e-9.\nours computes the divergence too and starts each step from "
    "the last; POT works in float64, the others in float32.\nOn images ours is timed through inner "
    "products; its error is that of the same solver from points, 3e-5 apart over a flow."
)


def rows(case: str, threads: int, measured: Sequence[Measurement]) -> list[dict]:
    """Rows of one case, as --json has them; `BASE` is among the methods.

    `ms_per_velocity` is milliseconds for one problem of a batch, `max_rel_error` a fraction, and
    `speedup_vs_geomloss` the ratio to GeomLoss at the paper's scaling.
    """
    base = _base(measured)
    return [
        {
            "case": case,
            "method": m.method.name,
            "threads": threads,
            "ms_per_velocity": m.ms_per_velocity,
            "max_rel_error": m.max_rel_error,
            "speedup_vs_geomloss": base / m.ms_per_velocity,
        }
        for m in measured
    ]


def notes(name: str, case: Case, measured: Sequence[Measurement]) -> list[str]:
    """What was measured on less than repeated whole flows, a line each."""
    cut = f", cut off after {PASS_S:.0f} s"
    return [
        f"{name}, {m.method.name}: time and error from one pass over {m.steps} of the "
        f"{case.n_steps} steps{cut if m.steps < case.n_steps else ''}"
        for m in measured
        if not m.flows
    ]


def text(name: str, case: Case, measured: Sequence[Measurement]) -> str:
    """A case's table; a star marks what `notes` tells of."""
    lines, base = [HEAD], _base(measured)
    for m in measured:
        effort = f"{SOLVERS[m.method.solver].dial} {m.method.effort:g}"
        ms = f"{m.ms_per_velocity:.4g}" + ("" if m.flows else "*")
        error = f"{m.max_rel_error:.1e}" + ("*" if m.steps < case.n_steps else "")
        lines.append((m.method.name, effort, ms, error, f"{base / m.ms_per_velocity:.3g} x"))
    return f"{name}: {case.text}\n{columns(lines, right=(2, 3, 4))}"


def _base(measured: Sequence[Measurement]) -> float:
    """Milliseconds of GeomLoss at the paper's scaling."""
    return next(m.ms_per_velocity for m in measured if m.method.name == BASE)

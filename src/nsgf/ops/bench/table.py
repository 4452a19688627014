"""The rows of a benchmark, for people and as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

from nsgf.ops.bench.cases import Case
from nsgf.ops.bench.measure import PASS_S, Measurement
from nsgf.ops.bench.methods import BASE, SOLVERS

LINE = "  {:<15} {:<16} {:>14} {:>15} {:>12}"
HEAD = LINE.format("method", "effort", "ms / velocity", "max rel. error", "vs GeomLoss")
FOOT = (
    "ms per velocity: a whole flow's time over its steps, median over flows, in a batch for one "
    "problem.\nerror: the largest |v - v*| / |v*| at the states of a float64 trajectory whose "
    "potentials are converged to 1e-9.\nours computes the divergence too and starts each step from "
    "the last; POT works in float64, the others in float32.\nOn images ours is timed through inner "
    "products; its error is that of the same solver from points, 3e-5 apart over a flow."
)


@dataclass(frozen=True)
class Row:
    """One line of --json.

    Attributes:
        ms_per_velocity: milliseconds, for one problem of a batch.
        max_rel_error: fraction. speedup_vs_geomloss: ratio to GeomLoss at the paper's scaling.
    """

    case: str
    method: str
    threads: int
    ms_per_velocity: float
    max_rel_error: float
    speedup_vs_geomloss: float


def rows(case: str, threads: int, measured: Sequence[Measurement]) -> list[Row]:
    """Rows of one case; `BASE` is among the methods."""
    base = next(m.ms_per_velocity for m in measured if m.method.name == BASE)
    return [
        Row(
            case,
            m.method.name,
            threads,
            m.ms_per_velocity,
            m.max_rel_error,
            base / m.ms_per_velocity,
        )
        for m in measured
    ]


def notes(name: str, case: Case, measured: Sequence[Measurement]) -> list[str]:
    """What was measured on less than repeated whole flows, a line each."""
    found = []
    for m in measured:
        if not m.flows:
            cut = f", cut off after {PASS_S:.0f} s" if m.steps < case.n_steps else ""
            found.append(
                f"{name}, {m.method.name}: time and error from one pass over {m.steps} of the "
                f"{case.n_steps} steps{cut}"
            )
    return found


def text(
    case: Case, solvers: Sequence[str], measured: Sequence[Measurement], found: Sequence[Row]
) -> str:
    """A case's table; `solvers` names the solver of each measurement, `found` are its rows."""
    lines = [f"{found[0].case}: {case.text}", HEAD]
    for solver, m, row in zip(solvers, measured, found, strict=True):
        lines.append(
            LINE.format(
                row.method,
                f"{SOLVERS[solver].dial} {m.method.effort:g}",
                f"{row.ms_per_velocity:.4g}" + ("" if m.flows else "*"),
                f"{row.max_rel_error:.1e}" + ("*" if m.steps < case.n_steps else ""),
                f"{row.speedup_vs_geomloss:.3g} x",
            )
        )
    return "\n".join(lines)

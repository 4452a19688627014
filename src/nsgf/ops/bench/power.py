"""`nsgf bench power`: which distance tells a generator from its target, before one is judged.

What is judged is an interval over a few trainings. So a trial is as many values of a distance as
there are trainings, between samples of a law and of the same law after a known change, and counts
if Student's interval leaves out 0, as it should in 5 % of trials without a change. Estimators are
the debiased sliced and exact distances, the debiased Sinkhorn divergence and the energy distance,
each with as many points as it can take.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import torch
from torch import Tensor

from nsgf.artifact import read_kept_json, write_json
from nsgf.data import synthetic
from nsgf.engine import provenance
from nsgf.metrics.debiased import debiased_sliced
from nsgf.metrics.interval import student_t
from nsgf.ops.bench.perturb import COMPONENTS, moved_mass, shifted
from nsgf.ops.bench.record import record
from nsgf.ops.text import columns
from nsgf.ot.exact import squared_w2
from nsgf.ot.sinkhorn import sinkhorn_divergence
from nsgf.progress import bar
from nsgf.rng import stream

SEED, TRAININGS = 0, 5
BLUR, DIRECTIONS = 0.5, 64
NONE, ASKED = ("none", 0.0), (("shift", 0.05), ("mass", 0.01))  # of every estimator
SHIFTS, SHARES = (0.0125, 0.025, 0.1), (0.0025, 0.005, 0.02)  # further ones
HEAD = (
    "law",
    "estimator",
    "points",
    "change",
    "size",
    "trials",
    "told apart",
    "value",
    "s a value",
)
FOOT = (
    f"told apart: share of trials whose 95 % interval over {TRAININGS} values leaves out 0.\n"
    "value: mean +- standard deviation, data units squared (energy: data units)."
)


@dataclass(frozen=True)
class Estimator:
    """A distance of two samples whose mean over draws of one law with itself is 0.

    Attributes:
        n: points of each sample.
        trials: without a change, and with one, count.
        of: its value, for clouds (n, 2) in no order.
        sizes: trials at further sizes of changes, for a curve, count.
    """

    n: int
    trials: tuple[int, int]
    of: Callable[[Tensor, Tensor], float]
    sizes: int = 0


def _in_halves(distance: Callable[[Tensor, Tensor], float], x: Tensor, y: Tensor) -> float:
    """A squared distance between halves of both less that within each, as `debiased_sliced`."""
    (g, other_g), (t, other_t) = x.chunk(2), y.chunk(2)
    across = distance(g, t) + distance(other_g, other_t)
    return (across - distance(g, other_g) - distance(t, other_t)) / 2


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| (Szekely, Rizzo 2004), no point with itself: no bias."""
    n = len(x)
    within = sum(float(torch.cdist(z, z).double().sum()) / (n * (n - 1)) for z in (x, y))
    return 2 * float(torch.cdist(x, y).double().mean()) - within


ESTIMATORS = {
    "sliced": Estimator(
        400_000, (200, 40), lambda x, y: debiased_sliced(x, y, DIRECTIONS), sizes=20
    ),
    "energy": Estimator(8192, (20, 20), energy_distance),
    "exact": Estimator(2048, (40, 20), lambda x, y: _in_halves(squared_w2, x, y)),
    "sinkhorn": Estimator(
        16384,
        (4, 4),
        lambda x, y: _in_halves(lambda a, b: float(sinkhorn_divergence(a, b, BLUR)), x, y),
    ),
}


def compare(threads: int, json: Path | None) -> None:
    """Try every estimator on every law, print a table, and write its rows.

    Args:
        threads: that this process's libraries have.
        json: where to write a row for each change; rows that it has are not tried again.
    """
    machine = provenance.machine()["processor"]
    print(f"power of {', '.join(ESTIMATORS)}: {threads} thread(s) of {machine}")
    found = (read_kept_json(json) if json and json.exists() else None) or []
    every = list(_wanted())
    found = [row for row in found if _key(row) in every]  # none of other sizes or trials
    known = set(map(_key, found))
    wanted = [one for one in every if one not in known]
    with bar(len(wanted), "bench power") as progress:
        for one in wanted:
            found.append(_row(*one))
            if json:
                write_json(json, found)
            progress.update()
    print(columns([HEAD, *map(_line, found)], right=range(2, len(HEAD))))
    print(FOOT)
    if json:
        about = {"trainings": TRAININGS, "directions": DIRECTIONS, "blur": BLUR}
        record(json, about, SEED, {"machine": machine, "threads": threads})


def _wanted() -> Iterator[tuple]:
    """Law, estimator, points, change, size and trials, the estimator that is ours first."""
    for name, estimator in ESTIMATORS.items():
        for law in COMPONENTS:
            yield law, name, estimator.n, *NONE, estimator.trials[0]
            for change, size in ASKED:
                yield law, name, estimator.n, change, size, estimator.trials[1]
            further = [*(("shift", s) for s in SHIFTS), *(("mass", s) for s in SHARES)]
            for change, size in further if estimator.sizes else ():
                yield law, name, estimator.n, change, size, estimator.sizes


def _key(row: dict) -> tuple:
    return tuple(row[k] for k in ("law", "estimator", "n", "change", "size", "trials"))


def _row(law: str, name: str, n: int, change: str, size: float, trials: int) -> dict:
    """One law, estimator and change: its values, in trials of TRAININGS."""
    estimator, values = ESTIMATORS[name], []
    began = time.perf_counter()
    for k in range(trials * TRAININGS):
        x, y = (_drawn(law, n, name, change, size, k, side) for side in ("x", "y"))
        numbers = stream(SEED, "power", law, name, change, size, k, "change")
        x = shifted(x, size) if change == "shift" else x
        x = moved_mass(law, x, size, numbers) if change == "mass" else x
        values.append(estimator.of(x, y))
    seconds = (time.perf_counter() - began) / len(values)
    each = [values[k : k + TRAININGS] for k in range(0, len(values), TRAININGS)]
    intervals = [student_t(trial) for trial in each]
    apart = sum(not i.low <= 0 <= i.high for i in intervals)
    about = {"law": law, "estimator": name, "n": n, "change": change, "size": size}
    about |= {"trials": trials, "told_apart": apart, "mean": mean(values), "sd": stdev(values)}
    return about | {"seconds": seconds}


def _drawn(law: str, n: int, *names: object) -> Tensor:
    """`n` independent points of a law in no order."""
    numbers = stream(SEED, "power", law, *names)
    return synthetic.sample_iid(law, n, numbers)[numbers.permutation(n)]


def _line(row: dict) -> tuple[str, ...]:
    return (
        row["law"],
        row["estimator"],
        str(row["n"]),
        row["change"],
        f"{row['size']:g}" if row["size"] else "",
        str(row["trials"]),
        f"{row['told_apart'] / row['trials']:.3f}",
        f"{row['mean']:.2e} +- {row['sd']:.1e}",
        f"{row['seconds']:.2f}",
    )

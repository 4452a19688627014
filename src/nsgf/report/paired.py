"""Paired comparisons over common training seeds, corrected for how many there are.

Two methods that start from the same points and are held against the same test points share their
noise: the interval of the difference by seed is narrower than two separate ones tell. Of several
comparisons the p values are Holm's ("A simple sequentially rejective multiple test procedure",
1979): the k-th least of m, times m - k, and no less than one before it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nsgf.metrics.interval import Interval, student_t
from nsgf.report.verdict import MIN_SEEDS


@dataclass(frozen=True)
class Paired:
    """The difference of two methods.

    Attributes:
        interval: of the mean difference by seed, first less second, in the metric's unit.
        p: two-sided, that of Student's t and of Holm's correction; 1 for too few seeds.
        vote: "lower" or "higher" where p is below 1 - confidence, else "inconclusive".
    """

    interval: Interval
    p: float
    vote: str


def by_seed(body: Mapping, metric: str) -> dict[int, float]:
    """Mean of a metric over the sets of samples of each training seed; empty if not measured."""
    found: dict[int, list[float]] = {}
    for one in body["sets"]:
        for row in (r for r in one["metrics"] if r["metric"] == metric):
            found.setdefault(one["seed"], []).append(row["value"])
    return {seed: sum(values) / len(values) for seed, values in found.items()}


def p_value(differences: Sequence[float]) -> float:
    """Two-sided p of Student's t that the mean difference is 0; 1 for under MIN_SEEDS."""
    from scipy.special import stdtr

    x = np.asarray(differences, np.float64)
    if x.size < MIN_SEEDS:
        return 1.0
    spread = float(x.std(ddof=1)) / math.sqrt(x.size)
    if spread == 0:
        return 1.0 if x.mean() == 0 else 0.0
    return float(2 * stdtr(x.size - 1, -abs(x.mean()) / spread))


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values, in the order given."""
    order, found, least = sorted(range(len(p)), key=p.__getitem__), [0.0] * len(p), 0.0
    for k, place in enumerate(order):
        least = max(least, min(1.0, (len(p) - k) * p[place]))
        found[place] = least
    return found


def paired(differences: Sequence[Sequence[float]], confidence: float = 0.95) -> list[Paired]:
    """All comparisons of a family, from each one's differences by seed."""
    adjusted, found = holm([p_value(d) for d in differences]), []
    for values, p in zip(differences, adjusted, strict=True):
        interval = student_t(values, confidence)
        side = "lower" if interval.mean < 0 else "higher"
        found.append(Paired(interval, p, side if p < 1 - confidence else "inconclusive"))
    return found

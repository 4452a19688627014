"""One function that says how a measured number stands to a printed one.

not_comparable   protocol, features or sample count differ from the print
inconclusive     fewer than 3 seeds, or the interval crosses a bound of published +- tolerance
reproduced       the interval lies inside published +- tolerance
better, worse    it lies outside, by the metric's direction
"""

import math
from dataclasses import dataclass

from nsgf.metrics.interval import Interval

HIGHER_IS_BETTER = {"is"}
MIN_SEEDS = 3


@dataclass(frozen=True)
class Print:
    """A printed value and what our number must share with it to be held against it."""

    value: float
    tolerance: float
    protocol: str | None
    n_samples: int


def verdict(metric: str, interval: Interval, protocol: str, n_samples: int, printed: Print) -> str:
    """The verdict on one cell; see the module's head.

    Args:
        metric: name of the metric; its direction is looked up.
        interval: mean and interval over seeds.
        protocol: how our number was measured; comparable if it begins with the print's.
        n_samples: samples of one seed.
        printed: the printed value.
    """
    same = printed.protocol is not None and protocol.startswith(printed.protocol)
    if not same or n_samples != printed.n_samples:
        return "not_comparable"
    low, high = printed.value - printed.tolerance, printed.value + printed.tolerance
    if interval.n < MIN_SEEDS or math.isnan(interval.low):
        return "inconclusive"
    if low <= interval.low and interval.high <= high:
        return "reproduced"
    if interval.high < low or interval.low > high:
        above = interval.low > high
        return "better" if above == (metric in HIGHER_IS_BETTER) else "worse"
    return "inconclusive"


def separated(first: Interval, second: Interval) -> str:
    """ "lower", "higher" or "inconclusive": how two intervals over seeds stand to each other."""
    if min(first.n, second.n) < MIN_SEEDS:
        return "inconclusive"
    if first.high < second.low:
        return "lower"
    return "higher" if first.low > second.high else "inconclusive"


def claim(votes: list[str], expected: str) -> str:
    """A claim holds if every vote is as expected, fails if one is its opposite."""
    if votes and all(v == expected for v in votes):
        return "reproduced"
    opposite = {"lower": "higher", "higher": "lower"}[expected]
    return "not_reproduced" if opposite in votes else "inconclusive"

"""Claim 5 of the SW-JKO paper: diverse functionals."""

from collections.abc import Mapping

import pandas as pd

from nsgf.config.published import Published
from nsgf.metrics.interval import Interval
from nsgf.registry import DATASETS
from nsgf.report.finding import INCONCLUSIVE, Finding, finding, interval_of_row
from nsgf.report.verdict import MIN_SEEDS, claim
from nsgf.studies.aggregation.energies import ENERGIES

RADIUS, ENERGY = 0.01, 0.01  # data units, and of the least energy; a decision of ours


def judge(
    table: pd.DataFrame, given: Mapping, reduced: bool, published: Published
) -> list[Finding]:
    """Whether one family or another ends at each energy's exact end.

    Args:
        table: of the study. given: nothing. reduced: no matter.
        published: the paper's claims in its words.
    """
    votes, words = [], []
    for dataset, group in table[table["mean"].notna()].groupby("dataset", sort=False):
        each = []
        for method, rows in group.groupby("method", sort=False):
            by = {row["metric"]: row for row in rows.to_dict("records")}
            near = {"radius": RADIUS, "energy": ENERGY * abs(by["energy"]["floor"])}
            off = {m: _off(by[m]) for m in near}
            each.append(_vote(off, near))
            told = [f"{m} {o.mean:+.2g} [{o.low:.2g}, {o.high:.2g}]" for m, o in off.items()]
            words.append(f"{DATASETS[dataset].label}, {method}: {', '.join(told)}")
        votes.append(next((v for v in ("lower", INCONCLUSIVE) if v in each), "higher"))
    found = claim(votes, "lower")
    if found == "reproduced" and len(votes) < len(ENERGIES):
        found = INCONCLUSIVE  # one functional is not diverse
    head = f"off the exact end, of which radius within {RADIUS} and energy within 1 % count - "
    return [finding(5, published, found, head + "; ".join(words))]


def _off(row: Mapping) -> Interval:
    """How far from the exact value, with the interval."""
    one = interval_of_row(row)
    return Interval(*(v - row["floor"] for v in (one.mean, one.low, one.high)), one.n)


def _vote(off: Mapping[str, Interval], near: Mapping[str, float]) -> str:
    """ "lower" where all intervals lie within what counts, "higher" where one lies beyond it."""
    if any(one.n < MIN_SEEDS for one in off.values()):
        return INCONCLUSIVE
    if all(-near[m] <= one.low and one.high <= near[m] for m, one in off.items()):
        return "lower"
    beyond = any(one.low > near[m] or one.high < -near[m] for m, one in off.items())
    return "higher" if beyond else INCONCLUSIVE

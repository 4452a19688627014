"""Claim 5 of the SW-JKO paper: diverse functionals."""

from collections.abc import Mapping

import pandas as pd

from nsgf.config.published import Published
from nsgf.registry import DATASETS
from nsgf.report.finding import Finding, finding, interval_of_row
from nsgf.report.verdict import claim

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
        arrived = []
        for method, rows in group.groupby("method", sort=False):
            by = {row["metric"]: row for row in rows.to_dict("records")}
            off = {m: by[m]["mean"] - by[m]["floor"] for m in ("radius", "energy")}
            near = {"radius": RADIUS, "energy": ENERGY * abs(by["energy"]["floor"])}
            half = {m: interval_of_row(by[m]).high - by[m]["mean"] for m in near}
            if all(abs(off[m]) <= near[m] for m in near):
                arrived.append(method)
            told = f"radius {off['radius']:+.3f} ± {half['radius']:.3f}"
            told += f", energy {off['energy']:+.4f} ± {half['energy']:.4f}"
            words.append(f"{DATASETS[dataset].label}, {method}: {told}")
        votes.append("lower" if arrived else "higher")
    head = f"off the exact end, of which radius within {RADIUS} and energy within 1 % count - "
    return [finding(5, published, claim(votes, "lower"), head + "; ".join(words))]

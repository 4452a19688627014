"""Claims 1 and 2 of the NSGF paper, on point clouds: lowest W2, and early motion."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from nsgf.artifact import read_npz
from nsgf.config.published import Published
from nsgf.metrics.interval import student_t
from nsgf.registry import METHODS
from nsgf.report.finding import INCONCLUSIVE, Finding, finding, interval_of_row, not_run
from nsgf.report.verdict import claim, separated

ODE_METHODS = ("fm", "ot_cfm")
FLOW_METHODS = ("jko-flow", "ept")
PHRASES = {
    "lower": "interval below that of",
    "higher": "interval above that of",
    "inconclusive": "interval overlaps that of",
}


def judge(
    table: pd.DataFrame, given: Mapping, reduced: bool, published: Published
) -> list[Finding]:
    """Findings on both claims.

    Args:
        table: of the study. given: the files of `inputs`, read as lists of paths.
        reduced: whether the run is at a smaller scale than the paper's.
        published: the paper's claims in its words.
    """
    shares: dict[str, dict[str, list[float]]] = {}
    for key, files in given.items():
        dataset, name = key.split(" ")
        moved = [first_half_share(read_npz(file, "path")) for file in files]
        shares.setdefault(dataset, {})[name] = moved
    return [lowest_w2(table, published), early_motion(shares, published)]


def lowest_w2(table1: pd.DataFrame, published: Published) -> Finding:
    """Claim 1: NSGF against every method that was run, by intervals of exact W2 at 10 steps."""
    labels = {name: method.label for name, method in METHODS.items()}
    run = table1[(table1["metric"] == "w2") & (table1["nfe"] == 10) & table1["mean"].notna()]
    votes, words = [], []
    for dataset, group in run.groupby("dataset", sort=False):
        rows = {row["method"]: row for _, row in group.iterrows()}
        if "nsgf" not in rows:
            continue
        own = rows["nsgf"]
        words.append(f"{dataset}: {own['mean'] / own['floor']:.2f} x the floor")
        for rival in (m for m in rows if m in (*ODE_METHODS, *FLOW_METHODS)):
            votes.append(separated(interval_of_row(own), interval_of_row(rows[rival])))
            words.append(f"{PHRASES[votes[-1]]} {labels[rival]}")
    missing, found = [m for m in FLOW_METHODS if m not in set(run["method"])], claim(votes, "lower")
    if missing and found == "reproduced":
        found = INCONCLUSIVE
    tail = f"; not run: {', '.join(published.methods[m] for m in missing)}" if missing else ""
    return finding(1, published, found, "NSGF's exact W2 at 10 steps - " + "; ".join(words) + tail)


def early_motion(
    shares: Mapping[str, Mapping[str, Sequence[float]]], published: Published
) -> Finding:
    """Claim 2: share of the path length covered in the first half of the steps, NSGF against FM.

    Args:
        shares: data set -> method -> one share a training seed.
    """
    votes, words = [], []
    for dataset, methods in shares.items():
        if {"nsgf", "fm"} <= set(methods):
            nsgf, fm = student_t(methods["nsgf"]), student_t(methods["fm"])
            votes.append(separated(nsgf, fm))
            words.append(f"{dataset}: NSGF {nsgf.mean:.2f}, FM {fm.mean:.2f}")
    if not votes:
        return not_run(2, published)
    evidence = "share of the path covered in the first half of the steps - " + "; ".join(words)
    return finding(2, published, claim(votes, "higher"), evidence)


def first_half_share(path: np.ndarray) -> float:
    """Length of the first half of the steps over the whole length; path is (steps + 1, m, d)."""
    lengths = np.linalg.norm(np.diff(path, axis=0), axis=-1).mean(1)
    return float(lengths[: len(lengths) // 2].sum() / lengths.sum())

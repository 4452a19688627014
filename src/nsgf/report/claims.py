"""The paper's six claims, each held against what this run measured.

A claim is reproduced, not_reproduced or inconclusive, with the evidence in one sentence. What a
reduced run measured of cost is evidence, never a verdict: the paper's costs are at its own scale.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nsgf.config.published import Published
from nsgf.metrics.interval import Interval, student_t
from nsgf.registry import METHODS
from nsgf.report.verdict import claim, separated

ODE_METHODS = ("fm", "ot_cfm", "si")
FLOW_METHODS = ("jko-flow", "ept")
INCONCLUSIVE = "inconclusive"
PHRASES = {
    "lower": "interval below that of",
    "higher": "interval above that of",
    "inconclusive": "interval overlaps that of",
}


@dataclass(frozen=True)
class Finding:
    """One claim's verdict and the evidence for it."""

    claim: int
    text: str
    verdict: str
    evidence: str


def lowest_w2(table1: pd.DataFrame | None, published: Published) -> Finding:
    """Claim 1: NSGF against every method that was run, by intervals of exact W2 at 10 steps."""
    if table1 is None:
        return _not_run(1, published)
    run = table1[(table1["metric"] == "w2") & (table1["nfe"] == 10) & table1["mean"].notna()]
    votes, words = [], []
    for dataset, group in run.groupby("dataset", sort=False):
        intervals = {row["method"]: _interval(row) for _, row in group.iterrows()}
        own = group[group["method"] == "nsgf"].iloc[0] if "nsgf" in intervals else None
        rivals = [m for m in intervals if m in (*ODE_METHODS, *FLOW_METHODS)]
        if "nsgf" not in intervals:
            continue
        words.append(f"{dataset}: {own['mean'] / own['floor']:.2f} x the floor")
        for rival in rivals:
            votes.append(separated(intervals["nsgf"], intervals[rival]))
            words.append(f"{PHRASES[votes[-1]]} {METHODS[rival].label}")
    missing = [m for m in FLOW_METHODS if m not in set(run["method"])]
    found = (
        INCONCLUSIVE if missing and claim(votes, "lower") == "reproduced" else claim(votes, "lower")
    )
    tail = f"; not run: {', '.join(published.methods[m] for m in missing)}" if missing else ""
    return _finding(1, published, found, "NSGF's exact W2 at 10 steps - " + "; ".join(words) + tail)


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
        return _not_run(2, published)
    evidence = "share of the path covered in the first half of the steps - " + "; ".join(words)
    return _finding(2, published, claim(votes, "higher"), evidence)


def first_half_share(path: np.ndarray) -> float:
    """Length of the first half of the steps over the whole length; path is (steps + 1, m, d)."""
    lengths = np.linalg.norm(np.diff(path, axis=0), axis=-1).mean(1)
    return float(lengths[: len(lengths) // 2].sum() / lengths.sum())


def handover(costs: Sequence[Mapping], reduced: bool, published: Published) -> Finding:
    """Claim 3: where NSGF hands over, and how many straight steps follow."""
    if not costs:
        return _not_run(3, published)
    time = np.mean([c["handover_mean"] for c in costs])
    nfe = np.mean([c["nfe"] for c in costs])
    evidence = (
        f"mean hand-over time {time:.2f} (0 noise, 1 data) after the NSGF steps;"
        f" mean NFE {nfe:.1f}{'; reduced run: no verdict' if reduced else ''}"
    )
    near = "reproduced" if time >= 0.5 else "not_reproduced"
    return _finding(3, published, INCONCLUSIVE if reduced else near, evidence)


def image_rank(table2: pd.DataFrame | None, published: Published) -> Finding:
    """Claim 4: our CIFAR-10 FID against the printed FIDs of neural gradient flows."""
    if table2 is None:
        return _not_run(4, published)
    ours = table2[(table2["metric"] == "fid") & (table2["method"] == "nsgf++")]
    ours = ours[ours["mean"].notna()]
    if ours.empty:
        return _finding(4, published, INCONCLUSIVE, "no FID: the Inception weights are not here")
    interval = _interval(ours.iloc[0])
    printed = {
        row.method: row.values["cifar10"]
        for row in published.tables["table2"].values
        if row.method in (*FLOW_METHODS, "dggf")
    }
    votes = [separated(interval, Interval(v, v, v, interval.n)) for v in printed.values()]
    evidence = f"FID {interval.mean:.2f} against printed " + ", ".join(
        f"{published.methods[m]} {v}" for m, v in printed.items()
    )
    return _finding(4, published, claim(votes, "lower"), evidence)


def training_cost(seconds: Mapping[str, float], reduced: bool, published: Published) -> Finding:
    """Claim 5: seconds to train all of NSGF++, pool included, over seconds to train FM.

    Args:
        seconds: "pool" and each network's name -> seconds for one training seed.
        reduced: whether the run is at a smaller scale than the paper's.
    """
    parts = ("pool", *METHODS["nsgf++"].networks)
    if any(name not in seconds for name in parts):
        return _not_run(5, published)
    total, band = sum(seconds[name] for name in parts), published.cost["training_ratio"]
    ratio = total / seconds["straight"]
    listed = ", ".join(f"{name} {seconds[name]:.0f} s" for name in parts)
    evidence = f"NSGF++ / FM = {ratio:.2f} ({listed}; FM is the straight network alone)"
    inside = abs(ratio - band.value) <= band.tolerance
    found = "reproduced" if inside else "not_reproduced"
    return _finding(5, published, INCONCLUSIVE if reduced else found, evidence)


def predictor_time(
    seconds: Mapping[str, float], iterations: int, reduced: bool, published: Published
) -> Finding:
    """Claim 6: minutes to train the predictor, scaled to the paper's number of iterations."""
    if "phase" not in seconds:
        return _not_run(6, published)
    band = published.cost["predictor_minutes"]
    minutes = seconds["phase"] / iterations * band.iterations / 60
    evidence = (
        f"{seconds['phase']:.0f} s for {iterations} iterations here, {minutes:.0f} minutes for"
        f" {band.iterations:,} at that speed"
    )
    inside = abs(minutes - band.value) <= band.tolerance
    found = "reproduced" if inside else "not_reproduced"
    return _finding(6, published, INCONCLUSIVE if reduced else found, evidence)


def frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Findings as a table."""
    return pd.DataFrame([vars(f) for f in findings])


def _finding(number: int, published: Published, verdict: str, evidence: str) -> Finding:
    return Finding(number, published.claims[number], verdict, evidence)


def _not_run(number: int, published: Published) -> Finding:
    return _finding(number, published, INCONCLUSIVE, "not run")


def _interval(row: pd.Series) -> Interval:
    return Interval(row["mean"], row["ci_low"], row["ci_high"], int(row["n_seeds"]))

"""Claims 3 to 6 of the NSGF paper, on images: hand-over, rank, and two on cost."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from nsgf.artifact import read_json
from nsgf.config.published import Band, Published
from nsgf.metrics.interval import Interval
from nsgf.registry import METHODS
from nsgf.report.finding import INCONCLUSIVE, Finding, at_scale, finding, interval_of_row, not_run
from nsgf.report.verdict import claim, separated

NEURAL_FLOWS = ("jko-flow", "ept", "dggf")


def judge(
    table: pd.DataFrame, given: Mapping, reduced: bool, published: Published
) -> list[Finding]:
    """Findings on all four claims.

    Args:
        table: of the study. given: the files of `inputs`, read as lists of paths.
        reduced: whether the run is at a smaller scale than the paper's.
        published: the paper's claims in its words.
    """
    read = {key: [read_json(file) for file in files] for key, files in given.items()}
    about = [body for key, bodies in read.items() if key.startswith("prov") for body in bodies]
    # The time of what was resumed is that of its last attempt alone.
    no_verdict = reduced or any(body["facts"].get("resumed_at") for body in about)
    seeds = len(read.get("seconds velocity", ())) or 1
    seconds = {
        key.removeprefix("seconds "): sum(body["seconds"] for body in bodies) / seeds
        for key, bodies in read.items()
        if key.startswith("seconds ")
    }
    if "velocity" in seconds:
        seconds.setdefault("pool", 0.0)  # a streaming pool's time is in its network's
    phase = read.get("provenance phase")
    iterations = phase[0]["config"]["training"]["iterations"] if phase else 1
    found = [
        handover(read.get("cost", ()), reduced, published),
        training_cost(seconds, no_verdict, published),
        predictor_time(seconds, iterations, no_verdict, published),
    ]
    return found + ([image_rank(table, published)] if set(table["dataset"]) == {"cifar10"} else [])


def handover(costs: Sequence[Mapping], reduced: bool, published: Published) -> Finding:
    """Claim 3: where NSGF hands over, and how many straight steps follow."""
    if not costs:
        return not_run(3, published)
    time = np.mean([c["handover_mean"] for c in costs])
    nfe = np.mean([c["nfe"] for c in costs])
    evidence = (
        f"mean hand-over time {time:.2f} (0 noise, 1 data) after the NSGF steps;"
        f" mean NFE {nfe:.1f}{'; reduced run: no verdict' if reduced else ''}"
    )
    near = "reproduced" if time >= 0.5 else "not_reproduced"
    evidence += at_scale(reduced)
    return finding(3, published, INCONCLUSIVE if reduced else near, evidence)


def image_rank(table2: pd.DataFrame, published: Published) -> Finding:
    """Claim 4: our CIFAR-10 FID against the printed FIDs of neural gradient flows."""
    ours = table2[(table2["metric"] == "fid") & (table2["method"] == "nsgf++")]
    ours = ours.dropna(subset="mean")
    if ours.empty:
        return finding(4, published, INCONCLUSIVE, "no FID: the Inception weights are not here")
    interval = interval_of_row(ours.iloc[0])
    printed = {
        row.method: row.values["cifar10"]
        for row in published.tables["table2"].values
        if row.method in NEURAL_FLOWS
    }
    votes = [separated(interval, Interval(v, v, v, interval.n)) for v in printed.values()]
    evidence = f"FID {interval.mean:.2f} against printed " + ", ".join(
        f"{published.methods[m]} {v}" for m, v in printed.items()
    )
    return finding(4, published, claim(votes, "lower"), evidence)


def training_cost(seconds: Mapping[str, float], reduced: bool, published: Published) -> Finding:
    """Claim 5: seconds to train all of NSGF++, pool included, over seconds to train FM.

    Args:
        seconds: "pool" and each network's name -> seconds for one training seed.
        reduced: whether the run is at a smaller scale than the paper's.
    """
    parts = ("pool", *METHODS["nsgf++"].networks)
    if any(name not in seconds for name in parts):
        return not_run(5, published)
    total, band = sum(seconds[name] for name in parts), published.cost["training_ratio"]
    ratio = total / seconds["straight"]
    listed = ", ".join(f"{name} {seconds[name]:.0f} s" for name in parts)
    evidence = f"NSGF++ / FM = {ratio:.2f} ({listed}; FM is the straight network alone)"
    evidence += at_scale(reduced)
    return finding(5, published, _within(band, ratio, reduced), evidence)


def predictor_time(
    seconds: Mapping[str, float], iterations: int, reduced: bool, published: Published
) -> Finding:
    """Claim 6: minutes to train the predictor, scaled to the paper's number of iterations."""
    if "phase" not in seconds:
        return not_run(6, published)
    band = published.cost["predictor_minutes"]
    minutes = seconds["phase"] / iterations * band.iterations / 60
    evidence = (
        f"{seconds['phase']:.0f} s for {iterations} iterations here, {minutes:.0f} minutes for"
        f" {band.iterations:,} at that speed{at_scale(reduced)}"
    )
    return finding(6, published, _within(band, minutes, reduced), evidence)


def _within(band: Band, value: float, reduced: bool) -> str:
    """Whether a cost is about what is printed."""
    inside = abs(value - band.value) <= band.tolerance
    return INCONCLUSIVE if reduced else "reproduced" if inside else "not_reproduced"

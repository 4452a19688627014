"""The table of a study's paired comparisons: cells that share starting points and test points.

A row for each pair and data set: the difference of a metric by training seed, the cell's less the
other's, with its interval; p values and votes are Holm's over all rows of a metric
(`nsgf.report.paired`).
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from nsgf.artifact import read_json
from nsgf.config.figure import TableStage
from nsgf.registry import DATASETS
from nsgf.report.paired import by_seed, paired
from nsgf.report.render import Page

METRICS = ("sw2_debiased", "w2")
COLUMNS = ["cell", "against", "dataset", "metric", "n_seeds", "difference", "low", "high", "p"]
COLUMNS += ["vote"]
WORDS = {"lower": "nearer", "higher": "farther", "inconclusive": "not told apart"}


def page(settings: TableStage, inputs) -> Page:
    """From the metrics of the `first` and of the `second` cells, in the same order."""
    firsts, seconds = (inputs[side] for side in ("first", "second"))
    found = table(firsts, seconds, settings.judging.confidence)
    count = len(found) // max(found["metric"].nunique(), 1)
    notes = [
        *settings.reduced,
        "Difference: the cell's less the other's, by training seed, over the same starting points"
        f" and test points; p: Student's t, two-sided, Holm's over the {count} comparisons of a"
        " metric.",
        "sw2_debiased: debiased sliced W2 squared of all samples; near 0 for the target itself.",
    ]
    name = settings.name.removesuffix("-paired").replace("table", "Table ")
    return Page(f"{name}: pairs of methods - {settings.title}", notes, found, display(found))


def table(firsts: Sequence[Path], seconds: Sequence[Path], confidence: float) -> pd.DataFrame:
    """A row for each pair, data set and metric that both have; cells are named by their files."""
    pairs = [
        (Path(one).stem, Path(two).stem, read_json(one), read_json(two))
        for one, two in zip(firsts, seconds, strict=True)
    ]
    rows = []
    for metric in METRICS:
        places, differences = [], []
        for one, two, first, second in pairs:
            mine, theirs = by_seed(first, metric), by_seed(second, metric)
            if common := [seed for seed in mine if seed in theirs]:
                places.append((one, two, first["dataset"]))
                differences.append([mine[seed] - theirs[seed] for seed in common])
        for place, found in zip(places, paired(differences, confidence), strict=True):
            ends = (found.interval.mean, found.interval.low, found.interval.high)
            rows.append((*place, metric, found.interval.n, *ends, found.p, found.vote))
    return pd.DataFrame(rows, columns=COLUMNS)


def display(found: pd.DataFrame) -> pd.DataFrame:
    """The table as people read it."""
    ends = zip(found["difference"], found["low"], found["high"], strict=True)
    return pd.DataFrame(
        {
            "cell": found["cell"],
            "against": found["against"],
            "data": [DATASETS[d].label for d in found["dataset"]],
            "metric": found["metric"],
            "difference": [_shown(*e) for e in ends],
            "p (Holm)": [f"{p:.2g}" for p in found["p"]],
            "in words": found["vote"].map(WORDS),
            "seeds": [f"{n:d}" for n in found["n_seeds"]],
        }
    )


def said(found: pd.DataFrame) -> list[str]:
    """Each pair on all data sets, by the metric that decides, in a sentence."""
    first = found[found["metric"] == found["metric"].iloc[0]] if len(found) else found
    sentences = []
    for (one, other), rows in first.groupby(["cell", "against"], sort=False):
        places = {vote: group["dataset"].map(_label) for vote, group in rows.groupby("vote")}
        parts = [f"{WORDS[w]} on {', '.join(places[w])}" for w in WORDS if w in places]
        sentences.append(f"{one} against {other}: {'; '.join(parts)}.")
    return sentences


def _label(dataset: str) -> str:
    return DATASETS[dataset].label


def main(shown: pd.DataFrame) -> pd.DataFrame:
    """What a reader sees first: the metric that decides."""
    return shown[shown["metric"] == shown["metric"].iloc[0]].drop(columns=["metric", "seeds"])


def _shown(middle: float, low: float, high: float) -> str:
    around = "one seed" if pd.isna(low) else f"{low:+.2g}, {high:+.2g}"
    return f"{middle:+.2g} [{around}]"

"""Ours against print as a whole: which convention of the metric fits, and whether ranks agree.

Where a paper does not say how its distance was computed, nor how large its samplers are, a printed
value p and ours m may still be tied: samplers of scale s times ours give s^k m, with k = 1 for W2
and k = 2 for its square and for GeomLoss's number (whose blur is then taken to scale along). For
each metric the scale is fitted to all cells that were run and printed, of a data set and of all,
in the mean of log(p / m) / k; what is left is the typical factor exp(sd(log(p / m))) between print
and prediction. A metric that is the print's leaves little, and the same scale for every data set
unless samplers differ.

The least printed value of a data set is no lower than the floor if print is such a distance: the
scale at which the floor falls to it is an upper bound on the sampler's, and printed values under
the floor at the fitted scale speak against the metric.

Ranks: Kendall's tau-b between print and ours over the methods of a column, with the interval of
Fieller, Hartley and Pearson ("Tests for rank correlation coefficients", 1957): atanh(tau) has a
variance of about 0.437 / (n - 4).
"""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from nsgf.config.figure import TableStage
from nsgf.registry import DATASETS, METHODS
from nsgf.report.render import Page

POWER = {"w2": 1, "w2_squared": 2, "geomloss": 2}  # of a sampler's scale
ALL = "all"
CLOSE = 1.25  # factor within which print is said to be ours
WORDS = {"w2": "W2", "w2_squared": "W2 squared", "geomloss": "GeomLoss's number"}
FEWEST = 5  # methods of a column whose ranks have an interval
FIT = ["metric", "dataset", "cells", "scale", "factor", "floor_scale", "below_floor"]
RANKS = ["metric", "dataset", "nfe", "methods", "tau", "tau_low", "tau_high"]


def page(settings: TableStage, inputs) -> Page:
    """The table on print, from the study's own `table`."""
    found = pd.read_csv(inputs["table"])
    fitted, ranked = fits(found), ranks(found, settings.judging.confidence)
    whole = pd.concat([fitted, ranked], ignore_index=True)
    name = settings.name.removesuffix("-print").replace("table", "Table ")
    title = f"{name} against print: conventions and ranks - {settings.title}"
    notes = [
        *settings.reduced,
        "Scale: of the paper's samplers over ours, if its number is that metric; fitted in"
        " logarithms to all cells of a data set that were run and printed. Factor: typical ratio"
        " between print and what the fit predicts, 1 if it fits exactly; of all data sets, with"
        " one scale for all.",
        "Floor's scale: at which two draws of the target are as far apart as the least printed"
        " value: an upper bound on the scale. Below the floor: printed values under the floor at"
        " the fitted scale, which no such distance could have but by chance.",
        "tau: Kendall's, between the ranks of printed and our numbers over the methods of a"
        " column, with its interval; a network printed under two names counts twice.",
        *said(whole),
    ]
    return Page(title, notes, whole, display(whole))


def fits(found: pd.DataFrame) -> pd.DataFrame:
    """A row for each metric and data set, and one of all.

    Args:
        found: a study's table (`nsgf.report.tables.table`) with what is printed of its metric.
    """
    rows = []
    for metric, power, cells in _metrics(found):
        logs = np.log(cells["published"] / cells["mean"])
        for dataset in [*cells["dataset"].unique(), ALL]:
            mine = cells["dataset"].isin([dataset]) | (dataset == ALL)
            floors, printed = cells.loc[mine, "floor"], cells.loc[mine, "published"]
            least = (printed / floors).min() ** (1 / power)
            about = (metric, dataset, int(mine.sum()))
            scale, left = math.exp(logs[mine].mean() / power), math.exp(logs[mine].std(ddof=0))
            rows.append((*about, scale, left, least, int((printed < scale**power * floors).sum())))
    return pd.DataFrame(rows, columns=FIT)


def ranks(found: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """A row for each metric and column of the paper's table: data set and NFE."""
    from scipy.stats import kendalltau

    rows = []
    for metric, _, cells in _metrics(found):
        if metric == "w2_squared":  # in the order of W2
            continue
        for (dataset, nfe), column in cells.groupby(["dataset", "nfe"], sort=False):
            if len(column) > 1:
                tau = float(kendalltau(column["published"], column["mean"]).statistic)
                ends = interval(tau, len(column), confidence)
                rows.append((metric, dataset, nfe, len(column), tau, *ends))
    return pd.DataFrame(rows, columns=RANKS)


def interval(tau: float, n: int, confidence: float) -> tuple[float, float]:
    """Of Kendall's tau over n methods; nan for fewer than FEWEST."""
    from scipy.special import ndtri

    if n < FEWEST or math.isnan(tau):
        return math.nan, math.nan
    half = float(ndtri((1 + confidence) / 2)) * math.sqrt(0.437 / (n - 4))
    middle = math.atanh(max(-1 + 1e-9, min(1 - 1e-9, tau)))
    return math.tanh(middle - half), math.tanh(middle + half)


def _metrics(found: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """Cells of each metric beside the printed value, whatever metric it was printed for; a network
    that is printed under two names is there twice."""
    keys = ["network", "dataset", "nfe"]
    found = found.assign(network=[_network(m) for m in found["method"]])
    printed = found[found["published"].notna()].drop_duplicates(["method", "dataset", "nfe"])
    own = found["mean"].notna() & (found["method"] == found["network"])
    for metric, power in POWER.items():
        run = found.loc[own & (found["metric"] == metric), [*keys, "mean", "floor"]]
        cells = printed[["method", *keys, "published"]].merge(run, on=keys)
        if len(cells) > 1:
            yield metric, power, cells


def _network(method: str) -> str:
    return (METHODS[method].same_as if method in METHODS else None) or method


def said(whole: pd.DataFrame) -> list[str]:
    """Whether one scale of samplers makes print ours, and what each metric leaves, in sentences."""
    fitted = whole[(whole["dataset"] == ALL) & whole["factor"].notna()].sort_values("factor")
    if fitted.empty:
        return []
    least = fitted.iloc[0]
    head = f"No scale of samplers makes print ours: a factor of {least.factor:.3g} is left or more."
    if least.factor <= CLOSE:
        head = f"Print is ours, read as {WORDS[least.metric]}, within a factor of {CLOSE:g}."
    each = [
        f"Read as {WORDS[m.metric]}: data {m.scale:.2g} times as large as ours fit best; cells are"
        f" then off by a factor of {m.factor:.3g}, and {m.below_floor:.0f} of {m.cells:.0f} printed"
        " values lie under the floor."
        for m in fitted.itertuples()
    ]
    return [head, *each]


def display(whole: pd.DataFrame) -> pd.DataFrame:
    """The table as people read it."""
    labels = {name: spec.label for name, spec in DATASETS.items()} | {ALL: "all"}

    def numbers(column: str, form: str) -> list[str]:
        return ["" if pd.isna(v) else f"{v:{form}}" for v in whole[column]]

    ends = zip(whole["tau"], whole["tau_low"], whole["tau_high"], strict=True)
    return pd.DataFrame(
        {
            "metric": whole["metric"],
            "data": [labels[d] for d in whole["dataset"]],
            "NFE": numbers("nfe", "g"),
            "cells": numbers("cells", "g"),
            "scale": numbers("scale", ".2f"),
            "factor": numbers("factor", ".2f"),
            "floor's scale": numbers("floor_scale", ".2f"),
            "below the floor": numbers("below_floor", "g"),
            "methods": numbers("methods", "g"),
            "tau": [_tau(*t) for t in ends],
        }
    )


def main(shown: pd.DataFrame) -> pd.DataFrame:
    """What a reader sees first: fits to all data sets, and ranks."""
    kept = shown[(shown["data"] == "all") | (shown["tau"] != "")]
    return kept[["metric", "data", "NFE", "scale", "factor", "tau"]]


def _tau(tau: float, low: float, high: float) -> str:
    if pd.isna(tau):
        return ""
    return f"{tau:.2f}" + ("" if pd.isna(low) else f" [{low:.2f}, {high:.2f}]")

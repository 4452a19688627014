"""What a minibatch, or a few Sinkhorn sweeps, do to a velocity: two panels for each data set.

On the left the bias, lines, and the standard deviation, dashes, of a velocity against the minibatch
size, at each step looked at; on the right the error of plain sweeps against their number, at each
blur. Both are relative; bands are intervals over populations and over problems. A bias whose square
comes out below 0 is not told from none and left out.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from nsgf.artifact import read_json
from nsgf.config.figure import Figure, FigureStage
from nsgf.metrics.interval import student_t
from nsgf.registry import DATASETS
from nsgf.report.style import GREY, SMALL, Drawing, Sheet

WIDTH, HEIGHT, LEFT, TOP, BELOW, GAP = 2.2, 1.8, 0.55, 0.28, 0.42, 0.55  # inches
STYLE = {"lw": 1, "ms": 3}


def draw(settings: FigureStage, figure: Figure, files: Mapping) -> Drawing:
    """A row for each data set.

    Args:
        settings, figure: as in every kind. files: `probes`, what was found on each data set.
    """
    bodies = [read_json(Path(file)) for file in files["probes"]]
    pitch = TOP + HEIGHT + BELOW
    sheet = Sheet(settings, LEFT + 2 * (WIDTH + GAP), len(bodies) * pitch)
    for k, body in enumerate(bodies):
        found, confidence = pd.DataFrame(body["rows"]), settings.judging.confidence
        label, top = DATASETS[body["dataset"]].label, k * pitch
        panels = ("velocity from a minibatch", _minibatches), ("velocity from few sweeps", _sweeps)
        for j, (words, panel) in enumerate(panels):
            left = LEFT + j * (WIDTH + GAP)
            sheet.text(left + WIDTH / 2, top + TOP / 2, f"{label}: {words}")
            axes = sheet.axes(left, top + TOP, WIDTH, HEIGHT)
            panel(axes, found, confidence)
    return sheet.drawing


def _minibatches(axes: Axes, found: pd.DataFrame, confidence: float) -> None:
    found = found[found["what"] == "minibatch"]
    for step, colour in _coloured(found["step"]):
        mine = found[found["step"] == step]
        kinds = {"bias_squared": ("o-", "bias"), "variance": ("s--", "standard deviation")}
        for column, (mark, word) in kinds.items():
            bands = _bands(mine, "n", column, confidence)
            shown = bands.clip(lower=0).pow(0.5).replace(0, np.nan)
            name = f"{word}, step {step:g}"
            axes.plot(shown.index, shown["mean"], mark, color=colour, label=name, **STYLE)
            low = shown["low"].fillna(shown["mean"].min() / 10)  # its band reaches to the bottom
            axes.fill_between(shown.index, low, shown["high"], color=colour, alpha=0.12, lw=0)
    _scaled(axes, found["n"], "minibatch size n", "relative to the speed")


def _sweeps(axes: Axes, found: pd.DataFrame, confidence: float) -> None:
    found = found[found["what"] == "sweeps"]
    for blur, colour in _coloured(found["blur"]):
        bands = _bands(found[found["blur"] == blur], "sweeps", "mean", confidence)
        axes.plot(bands.index, bands["mean"], "o-", color=colour, label=f"blur {blur:g}", **STYLE)
        axes.fill_between(bands.index, bands["low"], bands["high"], color=colour, alpha=0.15, lw=0)
    _scaled(axes, found["sweeps"], "plain Sinkhorn sweeps", "relative error over the flow")


def _coloured(values: pd.Series) -> list[tuple[float, tuple]]:
    different = sorted(values.unique())
    return list(zip(different, seaborn.color_palette("colorblind", len(different)), strict=True))


def _bands(found: pd.DataFrame, by: str, column: str, confidence: float) -> pd.DataFrame:
    """Mean, low and high of a column at each value of `by`."""
    each = {
        value: student_t(group[column].tolist(), confidence) for value, group in found.groupby(by)
    }
    rows = {v: (i.mean, i.low, i.high) for v, i in each.items()}
    return pd.DataFrame.from_dict(rows, "index", columns=["mean", "low", "high"])


def _scaled(axes: Axes, places: Sequence, x: str, y: str) -> None:
    values = sorted(set(places))
    axes.set(xscale="log", yscale="log")
    axes.minorticks_off()
    axes.set_xticks(values, [f"{v:g}" for v in values])
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 3)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(x, fontsize=SMALL, labelpad=2)
    axes.set_ylabel(y, fontsize=SMALL, labelpad=2)
    style = {"labelsize": SMALL - 0.5, "length": 2, "width": 0.5, "pad": 2}
    axes.tick_params(bottom=True, left=True, **style)
    axes.legend(fontsize=SMALL - 1, frameon=False, labelcolor=GREY)

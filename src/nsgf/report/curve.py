"""A metric over one setting that a study varies, or over NFE: a panel for each data set.

Lines are rows of the study, bands their intervals over trainings, the dashed line the floor.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from nsgf.config.figure import Figure, FigureStage
from nsgf.errors import NsgfError
from nsgf.registry import DATASETS, METHODS
from nsgf.report.style import GREY, SMALL, Drawing, Sheet

WIDTH, HEIGHT, LEFT, TOP, BELOW, GAP = 2.3, 1.8, 0.6, 0.28, 0.5, 0.55  # inches
LINE = 0.16  # inches of a line of the legend
WIDE = 8  # from which ratio of its ends on an axis is logarithmic


def draw(settings: FigureStage, figure: Figure, table: Path) -> Drawing:
    """Panels from left to right, the legend below.

    Raises:
        NsgfError: the table has no such numbers.
    """
    found = pd.read_csv(table)
    metric = figure.metric or found["metric"].iloc[0]
    found = found[(found["metric"] == metric) & found["mean"].notna() & found[figure.x].notna()]
    if figure.methods:
        found = found[found["method"].isin(figure.methods)]
    rows = list(dict.fromkeys(found["method"]))
    if found.empty:
        raise NsgfError(
            f"figure '{settings.name}' shows nothing: '{table}' has no {metric} over {figure.x}",
            "name a metric of the study, and a setting that it varies",
        )
    colours = dict(zip(rows, seaborn.color_palette("colorblind", len(rows)), strict=True))
    across = len(figure.datasets) * (WIDTH + GAP)
    below = TOP + HEIGHT + BELOW
    sheet = Sheet(settings, LEFT + across, below + LINE * len(rows))
    for k, dataset in enumerate(figure.datasets):
        left = LEFT + k * (WIDTH + GAP)
        sheet.text(left + WIDTH / 2, TOP / 2, DATASETS[dataset].label)
        axes = sheet.axes(left, TOP, WIDTH, HEIGHT)
        mine = found[found["dataset"] == dataset]
        _draw_lines(axes, mine, figure.x, colours)
        axes.set_xlabel(figure.x, fontsize=SMALL, labelpad=2)
        if k == 0:
            axes.set_ylabel(metric, fontsize=SMALL, labelpad=2)
    for k, row in enumerate(rows):
        words = {"ha": "left", "fontsize": SMALL, "color": colours[row]}
        sheet.text(LEFT, below + LINE * k, label_of(row), **words)
    return sheet.drawing


def label_of(row: str) -> str:
    """A row's printed name, if it is a method's."""
    return METHODS[row].label if row in METHODS else row


def _draw_lines(axes: Axes, found: pd.DataFrame, x: str, colours: dict) -> None:
    values = sorted(found[x].unique())
    numbers = all(isinstance(v, int | float | np.number) for v in values)
    places = dict(zip(values, values if numbers else range(len(values)), strict=True))
    for row, colour in colours.items():
        mine = found[found["method"] == row].sort_values(x)
        at = [places[v] for v in mine[x]]
        axes.plot(at, mine["mean"], "o-" if numbers else "o", color=colour, lw=1, ms=3)
        if numbers:
            axes.fill_between(at, mine["ci_low"], mine["ci_high"], color=colour, alpha=0.15, lw=0)
        else:
            axes.vlines(at, mine["ci_low"], mine["ci_high"], color=colour, lw=1)
    if "floor" in found and found["floor"].notna().any():
        axes.axhline(found["floor"].mean(), color=GREY, lw=0.8, ls="--")
    _scale(axes, list(places.values()), values, numbers)


def _scale(axes: Axes, places: Sequence, values: Sequence, numbers: bool) -> None:
    """A tick for each value; numbers that span much on a logarithmic axis."""
    if numbers and min(places) > 0 and max(places) >= WIDE * min(places):
        axes.set_xscale("log")
    axes.minorticks_off()
    words = [f"{v:g}" if numbers else str(v) for v in values]
    axes.set_xticks(places, words)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    style = {"labelsize": SMALL - 0.5, "length": 2, "width": 0.5, "pad": 2}
    axes.tick_params(bottom=True, left=True, **style)

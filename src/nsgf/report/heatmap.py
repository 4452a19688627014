"""A metric over two settings that a study varies: a map for each data set, the best cell marked.

Each cell shows the mean over trainings and below it the interval's half width; cells that were not
run stay white.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes

from nsgf.config.figure import Figure, FigureStage
from nsgf.errors import NsgfError
from nsgf.registry import DATASETS
from nsgf.report.style import SMALL, Drawing, Sheet
from nsgf.report.verdict import HIGHER_IS_BETTER

CELL, LEFT, TOP, BELOW, GAP = 0.62, 0.75, 0.28, 0.52, 0.3  # inches


def draw(settings: FigureStage, figure: Figure, table: Path) -> Drawing:
    """Maps from left to right, one for each data set and method.

    Raises:
        NsgfError: the table has no such numbers.
    """
    found = pd.read_csv(table)
    metric = figure.metric or found["metric"].iloc[0]
    found = found[(found["metric"] == metric) & found["mean"].notna()]
    found = found[found[figure.x].notna() & found[figure.y].notna()]
    if figure.methods:
        found = found[found["method"].isin(figure.methods)]
    shown = [(d, m) for d in figure.datasets for m in found["method"].unique()]
    if found.empty:
        raise NsgfError(
            f"figure '{settings.name}' shows nothing: '{table}' has no {metric} over"
            f" {figure.x} and {figure.y}",
            "name a metric of the study, and settings that it varies",
        )
    xs, ys = (np.sort(found[axis].unique()) for axis in (figure.x, figure.y))
    width, height = CELL * len(xs), CELL * len(ys)
    sheet = Sheet(settings, LEFT + len(shown) * (width + GAP), TOP + height + BELOW)
    found["half"] = (found["ci_high"] - found["ci_low"]) / 2
    limits = found["mean"].min(), found["mean"].max()
    for k, (dataset, method) in enumerate(shown):
        mine = found[(found["dataset"] == dataset) & (found["method"] == method)]
        mean, half = (
            mine.pivot(index=figure.y, columns=figure.x, values=v).reindex(index=ys, columns=xs)
            for v in ("mean", "half")
        )
        left = LEFT + k * (width + GAP)
        sheet.text(left + width / 2, TOP / 2, f"{DATASETS[dataset].label}: {method}, {metric}")
        axes = sheet.axes(left, TOP, width, height)
        _draw_map(axes, mean.to_numpy(), half.to_numpy(), limits, metric in HIGHER_IS_BETTER)
        _label(axes, mean, first=k == 0)
    return sheet.drawing


def _draw_map(axes: Axes, mean: np.ndarray, half: np.ndarray, limits, higher: bool) -> None:
    """Means and half widths, (len(ys), len(xs)), nan where there is none; the best in bold."""
    colours = seaborn.color_palette("crest", as_cmap=True)
    axes.imshow(mean, origin="lower", cmap=colours, vmin=limits[0], vmax=limits[1], aspect="auto")
    best = (np.nanargmax if higher else np.nanargmin)(mean) if np.isfinite(mean).any() else -1
    for k, (value, around) in enumerate(zip(mean.ravel(), half.ravel(), strict=True)):
        if np.isfinite(value):
            row, column = divmod(k, mean.shape[1])
            words = f"{value:.3g}" + (f"\n± {around:.2g}" if np.isfinite(around) else "")
            dark = value > sum(limits) / 2
            style = {"color": "white" if dark else "black", "fontsize": SMALL - 0.5}
            weight = "bold" if k == best else "normal"
            axes.text(column, row, words, ha="center", va="center", weight=weight, **style)


def _label(axes: Axes, shown: pd.DataFrame, first: bool) -> None:
    """Both settings and their values; those of y at the first map alone."""
    axes.set_xticks(range(shown.shape[1]), map(_word, shown.columns))
    axes.set_xlabel(shown.columns.name, fontsize=SMALL, labelpad=2)
    axes.tick_params(labelsize=SMALL - 0.5, length=2, width=0.5, pad=2, bottom=True, left=first)
    if first:
        axes.set_yticks(range(shown.shape[0]), map(_word, shown.index))
        axes.set_ylabel(shown.index.name, fontsize=SMALL, labelpad=2)


def _word(value) -> str:
    """A setting's value, short."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)

"""A divergence over the dimension: lines are rows, bands their intervals over targets.

Open markers are printed (arXiv:2110.10972); dotted lines the oracle, which a perfect
solver of the scheme would reach.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from nsgf.config.figure import Figure, FigureStage
from nsgf.errors import NsgfError
from nsgf.registry import DATASETS
from nsgf.report.curve import label_of
from nsgf.report.style import SMALL, Drawing, Sheet

WIDTH, HEIGHT, LEFT, TOP, BELOW, LINE, GAP = 2.6, 2.0, 0.6, 0.28, 0.5, 0.16, 0.45  # inches
END = "log10_symkl"
DEEP = 1.0  # below all that is measured an oracle is drawn no deeper than this


def draw(settings: FigureStage, figure: Figure, table: Path) -> Drawing:
    """One panel, the legend below.

    Raises:
        NsgfError: the table has no such numbers.
    """
    found = rows_of(settings, figure, table)
    found = found[found["metric"] == END]
    found = found.assign(at=[DATASETS[d].shape[0] for d in found["dataset"]])
    colours = colours_of(found)
    sheet = Sheet(settings, LEFT + WIDTH + GAP, TOP + HEIGHT + BELOW + LINE * len(colours))
    axes = sheet.axes(LEFT, TOP, WIDTH, HEIGHT)
    lines(axes, found, colours)
    axes.set_xlabel("dimension", fontsize=SMALL, labelpad=2)
    axes.set_ylabel("log10 of SymKL", fontsize=SMALL, labelpad=2)
    legend(sheet, colours)
    return sheet.drawing


def rows_of(settings: FigureStage, figure: Figure, table: Path) -> pd.DataFrame:
    """Numbers of ours on the figure's data sets.

    Raises:
        NsgfError: the table has none of this kind.
    """
    found = pd.read_csv(table)
    found = found[found["dataset"].isin(figure.datasets) & found["mean"].notna()]
    if figure.methods:
        found = found[found["method"].isin(figure.methods)]
    if not found["metric"].str.startswith(END).any():
        raise NsgfError(
            f"figure '{settings.name}' shows nothing: '{table}' has no {END}",
            "name a study of kind diffusion",
        )
    return found


def colours_of(found: pd.DataFrame) -> dict[str, tuple]:
    """A colour for each row."""
    rows = list(dict.fromkeys(found["method"]))
    return dict(zip(rows, seaborn.color_palette("colorblind", len(rows)), strict=True))


def legend(sheet: Sheet, colours: Mapping[str, tuple]) -> None:
    """Names of rows in their colours, below the panels."""
    for k, (row, colour) in enumerate(colours.items()):
        words = {"ha": "left", "fontsize": SMALL, "color": colour}
        sheet.text(LEFT, TOP + HEIGHT + BELOW + LINE * k, label_of(row), **words)


def lines(axes: Axes, found: pd.DataFrame, colours: Mapping[str, tuple]) -> None:
    """Each row's mean, interval, printed value and oracle over the column `at`."""
    low = min(found["mean"].min(), found["ci_low"].min()) - DEEP
    for row, colour in colours.items():
        mine = found[found["method"] == row].sort_values("at")
        at = mine["at"]
        axes.plot(at, mine["mean"], "o-", color=colour, lw=1, ms=3)
        axes.fill_between(at, mine["ci_low"], mine["ci_high"], color=colour, alpha=0.15, lw=0)
        if mine["published"].notna().any():
            axes.plot(at, mine["published"], "o--", color=colour, lw=0.7, ms=4, mfc="white")
        if (mine["floor"] > low).any():
            axes.plot(at, mine["floor"].where(mine["floor"] > low), ":", color=colour, lw=1)
    axes.set_xticks(sorted(found["at"].unique()))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    style = {"labelsize": SMALL - 0.5, "length": 2, "width": 0.5, "pad": 2}
    axes.tick_params(bottom=True, left=True, **style)

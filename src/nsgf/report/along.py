"""A divergence along the flow: a panel for each dimension, lines and marks as in
nsgf.report.dimension."""

from pathlib import Path

from nsgf.config.figure import Figure, FigureStage
from nsgf.errors import NsgfError
from nsgf.registry import DATASETS
from nsgf.report.dimension import (
    BELOW,
    END,
    GAP,
    HEIGHT,
    LEFT,
    LINE,
    TOP,
    WIDTH,
    colours_of,
    legend,
    lines,
    rows_of,
)
from nsgf.report.style import SMALL, Drawing, Sheet

TIMED = f"{END}_t"


def draw(settings: FigureStage, figure: Figure, table: Path) -> Drawing:
    """Panels from left to right, the legend below.

    Raises:
        NsgfError: the table has no such numbers.
    """
    found = rows_of(settings, figure, table)
    found = found[found["metric"].str.startswith(TIMED)]
    if found.empty:
        raise NsgfError(
            f"figure '{settings.name}' shows nothing: '{table}' has no numbers on the way",
            "give the study metrics.times",
        )
    found = found.assign(at=found["metric"].str.removeprefix(TIMED).astype(float))
    colours, across = colours_of(found), len(figure.datasets) * (WIDTH + GAP)
    sheet = Sheet(settings, LEFT + across, TOP + HEIGHT + BELOW + LINE * len(colours))
    for k, dataset in enumerate(figure.datasets):
        left = LEFT + k * (WIDTH + GAP)
        sheet.text(left + WIDTH / 2, TOP / 2, DATASETS[dataset].label)
        axes = sheet.axes(left, TOP, WIDTH, HEIGHT)
        lines(axes, found[found["dataset"] == dataset], colours)
        axes.set_xlabel("time of the scheme's steps", fontsize=SMALL, labelpad=2)
        if k == 0:
            axes.set_ylabel("log10 of SymKL to the equation", fontsize=SMALL, labelpad=2)
    legend(sheet, colours)
    return sheet.drawing

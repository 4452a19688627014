"""Every coordinate by itself: the target's histogram in grey, samples of each method as lines.

Samples are the first set of the first training, as in all figures of paths.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from nsgf.config.figure import Figure, FigureStage
from nsgf.registry import DATASETS
from nsgf.report.planar import target_points
from nsgf.report.source import Panel, state_at
from nsgf.report.style import GREY, INK, SMALL, Drawing, Sheet, method_colour

COLUMNS, MOST = 4, 12  # coordinates in a row, and in all: the first ones
WIDTH, HEIGHT, GAP, TOP, BELOW = 1.55, 0.95, 0.12, 0.26, 0.42  # inches
BINS, STRAY = 32, 2e-3  # STRAY: share of target points that may lie beyond a side
FAINT = "#d6d6d6"


def draw(settings: FigureStage, figure: Figure, panels: Sequence[Panel]) -> Drawing:
    """A block for each data set, a panel for each coordinate."""
    shown = {d: [p for p in panels if p.dataset == d] for d in figure.datasets}
    rows = {d: math.ceil(min(_size(d), MOST) / COLUMNS) for d in shown}
    wide = max(min(_size(d), COLUMNS) for d in shown)
    block = TOP + GAP
    height = sum(rows.values()) * (HEIGHT + BELOW) + len(shown) * block + 0.2
    width = max(wide * (WIDTH + GAP), 3.4)
    sheet, top = Sheet(settings, width, height), 0.0
    for dataset, mine in shown.items():
        count = _size(dataset)
        few = f", the first {MOST} of {count} coordinates" if count > MOST else ""
        words = f"{DATASETS[dataset].label}{few}"
        sheet.text(width / 2, top + TOP / 2, words)
        target = target_points(settings.seed, dataset)
        for k in range(min(count, MOST)):
            row, column = divmod(k, COLUMNS)
            place = (column * (WIDTH + GAP), top + TOP + row * (HEIGHT + BELOW))
            _draw_one(sheet, place, dataset, k, target, mine)
        top += block + rows[dataset] * (HEIGHT + BELOW)
    _legend(sheet, top, panels)
    return sheet.drawing


def name_of(dataset: str, k: int) -> str:
    """The name of coordinate number k."""
    cloud = DATASETS[dataset].cloud
    return cloud.columns[k] if cloud and cloud.columns else f"coordinate {k + 1}"


def _size(dataset: str) -> int:
    return math.prod(DATASETS[dataset].shape)


def _draw_one(sheet: Sheet, place, dataset: str, k: int, target, panels) -> None:
    axes = sheet.axes(*place, WIDTH, HEIGHT)
    low, high = np.quantile(target[:, k], [STRAY, 1 - STRAY])
    room = 0.08 * (high - low) or 0.5
    bins = np.linspace(low - room, high + room, BINS + 1)
    axes.hist(target[:, k], bins, density=True, color=FAINT, histtype="stepfilled")
    for panel in panels:
        style = {"histtype": "step", "color": method_colour(panel.cell.method), "linewidth": 1.0}
        axes.hist(state_at(panel, 1.0)[:, k], bins, density=True, **style)
    axes.set_xlim(bins[0], bins[-1])
    ticks = MaxNLocator(3).tick_values(bins[0], bins[-1])
    axes.set_xticks([t for t in ticks if bins[0] <= t <= bins[-1]])
    axes.tick_params(labelsize=SMALL - 1, length=2, width=0.5, pad=1.5, bottom=True)
    left, top = place
    words = {"fontsize": SMALL, "color": INK}
    sheet.text(left + WIDTH / 2, top + HEIGHT + 0.27, name_of(dataset, k)[:30], **words)


def _legend(sheet: Sheet, top: float, panels: Sequence[Panel]) -> None:
    """The target, and each method in its colour."""
    entries = {"target": FAINT} | {p.method_title: method_colour(p.cell.method) for p in panels}
    left = 0.05
    for words, colour in entries.items():
        swatch = sheet.axes(left, top - 0.06, 0.16, 0.08, frame=False)
        swatch.add_patch(Rectangle((0, 0), 1, 1, color=colour))
        sheet.text(left + 0.2, top - 0.02, words, ha="left", fontsize=SMALL, color=GREY)
        left += 0.34 + 0.062 * len(words)

"""Figures 3 and 6: paths in the plane, a panel for each data set and method.

Prior points are black, target points light blue; a path turns from blue to red step by step.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from nsgf.config.figure import Figure, FigureStage
from nsgf.registry import DATASETS
from nsgf.report.planar import dots, frame, target_points
from nsgf.report.source import Panel, method_title
from nsgf.report.style import INK, SMALL, STEPS, TARGET, Drawing, Sheet

WIDTH, LARGEST = 6.4, 2.9  # inches: of all panels of a row, and of one at most
GAP, LEFT, TOP, BOTTOM = 0.08, 0.42, 0.26, 0.36  # inches
N_PATHS = 200
STRAY = 5e-4  # share of points that may lie beyond a side of the window


def draw(settings: FigureStage, figure: Figure, panels: Sequence[Panel]) -> Drawing:
    """Data sets and methods, whichever are more from left to right, the others downwards."""
    shown = {(p.dataset, p.cell): p for p in panels}
    datasets, cells = figure.datasets, list(dict.fromkeys(p.cell for p in panels))
    heads = {d: DATASETS[d].label for d in datasets}
    heads |= {c: method_title(c, np.mean([p.nfe for p in panels if p.cell == c])) for c in cells}
    columns, rows = (datasets, cells) if len(datasets) >= len(cells) else (cells, datasets)
    size = min(LARGEST, (WIDTH + GAP) / len(columns) - GAP)
    pitch = size + GAP
    sheet = Sheet(settings, LEFT + len(columns) * pitch, TOP + len(rows) * pitch + BOTTOM)
    for j, column in enumerate(columns):
        sheet.text(LEFT + j * pitch + size / 2, TOP / 2, heads[column])
        for i, row in enumerate(rows):
            panel = shown.get((column, row)) or shown[row, column]
            axes = sheet.axes(LEFT + j * pitch, TOP + i * pitch, size, size)
            target = target_points(settings.seed, panel.dataset)
            draw_paths(axes, panel, target, dot=2.2 * size)
            frame(axes, *window([p for p in panels if p.dataset == panel.dataset], target))
    for i, row in enumerate(rows):
        words = heads[row].replace(", ", "\n")
        sheet.text(LEFT / 2, TOP + i * pitch + size / 2, words, rotation=90)
    _legend(sheet, LEFT, TOP + len(rows) * pitch + 0.08)
    return sheet.drawing


def window(panels: Sequence[Panel], target: np.ndarray) -> tuple[float, np.ndarray]:
    """Half the side and the centre of a square that holds all but stray points."""
    points = np.concatenate([target, *(p.arrays["path"].reshape(-1, 2) for p in panels)])
    low, high = np.quantile(points, [STRAY, 1 - STRAY], axis=0)
    return 1.08 * float((high - low).max()) / 2, (low + high) / 2


def draw_paths(axes: Axes, panel: Panel, target: np.ndarray, dot: float) -> None:
    """Target below, then paths, then the points where they start; dots in points squared."""
    path = panel.arrays["path"][:, :N_PATHS]
    dots(axes, target, TARGET, dot, alpha=0.6, zorder=1)
    axes.add_collection(segments(path))
    dots(axes, path[0], INK, dot, zorder=3)


def segments(path: np.ndarray) -> LineCollection:
    """Every step of (steps + 1, m, 2) paths as a line of its colour, later ones above."""
    steps, m, _ = path[1:].shape
    lines = np.stack([path[:-1], path[1:]], axis=2).reshape(-1, 2, 2)
    colours = np.repeat(STEPS(np.linspace(0, 1, steps)), m, axis=0)
    return LineCollection(
        lines, colors=colours, linewidths=0.5, alpha=0.6, rasterized=True, zorder=2
    )


def _legend(sheet: Sheet, left: float, top: float) -> None:
    place = {"ha": "left", "fontsize": SMALL}
    for words, colour, at in (("prior", INK, 0.0), ("target", TARGET, 0.55)):
        axes = sheet.axes(left + at, top, 0.12, 0.12, frame=False)
        dots(axes, np.zeros((1, 2)), colour, 14)
        sheet.text(left + at + 0.16, top + 0.06, words, **place)
    sheet.text(left + 1.62, top + 0.06, "first step", ha="right", fontsize=SMALL)
    bar = sheet.axes(left + 1.68, top + 0.02, 0.9, 0.08, frame=False)
    bar.imshow(np.linspace(0, 1, 256)[None], cmap=STEPS, aspect="auto")
    sheet.text(left + 2.64, top + 0.06, "last step", **place)

"""Clouds of any dimension on the target's first two principal axes: the target, then each method.

The axes are those of standardised coordinates, so that no unit of measurement chooses them.
"""

from collections.abc import Sequence

import numpy as np
import torch

from nsgf.config.figure import Figure, FigureStage
from nsgf.data.problem import open_problem
from nsgf.registry import DATASETS
from nsgf.report.planar import dots, frame, target_points
from nsgf.report.source import Panel, state_at
from nsgf.report.style import SMALL, TARGET, Drawing, Sheet, method_colour

SIZE, GAP, LEFT, TOP, BELOW = 1.5, 0.08, 0.3, 0.28, 0.3  # inches
STRAY = 2e-3  # share of target points that may lie beyond a side of the window


def draw(settings: FigureStage, figure: Figure, panels: Sequence[Panel]) -> Drawing:
    """A row for each data set; every panel of it shows the same window."""
    shown = {d: [p for p in panels if p.dataset == d] for d in figure.datasets}
    pitch, columns = SIZE + GAP, 1 + max(map(len, shown.values()))
    block = TOP + SIZE + BELOW
    sheet = Sheet(settings, LEFT + columns * pitch, len(shown) * block)
    for i, (dataset, mine) in enumerate(shown.items()):
        problem, top = open_problem(dataset, None), i * block + TOP
        target = _standard(problem, target_points(settings.seed, dataset))
        mean, axes, shares = principal(target)
        clouds = {f"{DATASETS[dataset].label}: target": (target, TARGET)}
        for p in mine:
            points = _standard(problem, state_at(p, 1.0))
            clouds[p.method_title] = points, method_colour(p.cell.method)
        low, high = np.quantile((target - mean) @ axes, [STRAY, 1 - STRAY], axis=0)
        for j, (words, (points, colour)) in enumerate(clouds.items()):
            left = LEFT + j * pitch
            sheet.text(left + SIZE / 2, top - TOP / 2, words)
            panel = sheet.axes(left, top, SIZE, SIZE)
            dots(panel, (points - mean) @ axes, colour, 3)
            frame(panel, 1.15 * float((high - low).max()) / 2, (low + high) / 2)
            word = f"axis 1 ({shares[0]:.0%} of the variance)"
            sheet.text(left + SIZE / 2, top + SIZE + 0.1, word, fontsize=SMALL)
        word = f"axis 2 ({shares[1]:.0%})"
        sheet.text(LEFT / 2, top + SIZE / 2, word, rotation=90, fontsize=SMALL)
    return sheet.drawing


def principal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (d,), first two principal axes (d, 2) of points (n, d), their shares of the variance.

    An axis points where its largest entry is positive, so that equal points give equal axes.
    """
    x = x.astype(np.float64)
    mean = x.mean(0)
    _, values, rows = np.linalg.svd(x - mean, full_matrices=False)
    axes = rows[:2].T
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), range(2)])
    return mean, axes, values[:2] ** 2 / (values**2).sum()


def _standard(problem, points: np.ndarray) -> np.ndarray:
    return problem.standard(torch.from_numpy(points)).numpy()

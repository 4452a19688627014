"""Particles that gather: each family at five times, with the exact end behind.

A row for each family and a block of rows for each energy of arXiv:2110.10972.
"""

from collections.abc import Sequence

import numpy as np

from nsgf.config.figure import Figure, FigureStage
from nsgf.registry import DATASETS
from nsgf.report.planar import dots, frame, target_points
from nsgf.report.source import Panel, state_at
from nsgf.report.style import SMALL, Drawing, Sheet, method_colour
from nsgf.studies.aggregation.energies import ENERGIES

FRACTIONS = {0.0: "start", 0.1: "1/10", 0.25: "1/4", 0.5: "1/2", 1.0: "end"}
SIZE, GAP, BLOCK, LEFT, TOP, BOTTOM = 1.18, 0.06, 0.24, 0.5, 0.22, 0.22  # inches
MARGIN = 1.25  # times the farthest point of the exact end
FAINT = "#c9c9c9"


def draw(settings: FigureStage, figure: Figure, panels: Sequence[Panel]) -> Drawing:
    """Blocks of rows from top to bottom, times from left to right."""
    pitch = SIZE + GAP
    blocks = [[p for p in panels if p.dataset == d] for d in figure.datasets]
    height = TOP + len(blocks) * BLOCK + len(panels) * pitch + BOTTOM
    sheet = Sheet(settings, LEFT + len(FRACTIONS) * pitch, height)
    for j, words in enumerate(FRACTIONS.values()):
        sheet.text(LEFT + j * pitch + SIZE / 2, TOP / 2, words)
    top = TOP
    for block in blocks:
        across = LEFT + (len(FRACTIONS) * pitch - GAP) / 2
        label = DATASETS[block[0].dataset].label
        sheet.text(across, top + BLOCK / 2, label, weight="bold")
        top += BLOCK
        for panel in block:
            words = panel.cell.label.replace(", ", "\n")
            sheet.text(0.19, top + SIZE / 2, words, rotation=90)
            _row(sheet, top, settings.seed, panel)
            top += pitch
    return sheet.drawing


def _row(sheet: Sheet, top: float, seed: int, panel: Panel) -> None:
    target = target_points(seed, panel.dataset)
    half = MARGIN * float(np.abs(target).max())
    centre = np.zeros(2)
    if not ENERGIES[DATASETS[panel.dataset].target.rpartition(".")[2]].centred:
        # It stays where it was by chance at first. All ends are round: the middle of its sides is
        # nearer to the centre than the mean of the points that are kept.
        end = state_at(panel, 1.0)
        centre = (end.min(0) + end.max(0)) / 2
    for j, fraction in enumerate(FRACTIONS):
        axes = sheet.axes(LEFT + j * (SIZE + GAP), top, SIZE, SIZE)
        dots(axes, target, FAINT, 2.5, zorder=1)
        points = state_at(panel, fraction) - centre
        dots(axes, points, method_colour(panel.cell.method), 3, zorder=2)
        frame(axes, half)
        style = {"labelsize": SMALL - 1.5, "length": 2, "width": 0.5, "pad": 1.5}
        axes.tick_params(bottom=False, left=j == 0, **style)
        axes.set(xticks=[], yticks=(-1, 0, 1) if j == 0 and half > 1 else [])

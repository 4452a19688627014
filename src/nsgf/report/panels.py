"""Figures 4 and 7: the generated cloud at five times, on [-6, 6]^2 (points of
one's own: where they lie), with the target law behind.

A row for each method and a block of rows for each data set.
"""

from collections.abc import Sequence

from nsgf.config.figure import Figure, FigureStage
from nsgf.registry import DATASETS
from nsgf.report.paths import window
from nsgf.report.planar import dots, frame, target_points
from nsgf.report.source import Panel, state_at
from nsgf.report.style import SMALL, Drawing, Sheet, method_colour

FRACTIONS = {0.0: "start", 0.25: "1/4", 0.5: "1/2", 0.75: "3/4", 1.0: "end of the path"}
HALF, TICKS = 6, (-5, 0, 5)  # data units
SIZE, GAP, BLOCK = 1.18, 0.06, 0.24  # inches; BLOCK is what a data set's heading takes
LEFT, TOP, BOTTOM = 0.5, 0.22, 0.22
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
        label = DATASETS[block[0].dataset].label
        across = LEFT + (len(FRACTIONS) * pitch - GAP) / 2
        sheet.text(across, top + BLOCK / 2, label, weight="bold")
        top += BLOCK
        for panel in block:
            words = panel.method_title.replace(", ", "\n")
            sheet.text(0.19, top + SIZE / 2, words, rotation=90)
            _draw_row(sheet, top, settings.seed, panel, last=panel is panels[-1])
            top += pitch
    return sheet.drawing


def _draw_row(sheet: Sheet, top: float, seed: int, panel: Panel, last: bool) -> None:
    target = target_points(seed, panel.dataset)
    own = bool(DATASETS[panel.dataset].cloud)
    limits = window([panel], target) if own else (HALF,)
    for j, fraction in enumerate(FRACTIONS):
        axes = sheet.axes(LEFT + j * (SIZE + GAP), top, SIZE, SIZE)
        dots(axes, target, FAINT, 2.5, zorder=1)
        dots(axes, state_at(panel, fraction), method_colour(panel.cell.method), 3, zorder=2)
        frame(axes, *limits)
        style = {"labelsize": SMALL - 1.5, "length": 2, "width": 0.5, "pad": 1.5}
        axes.tick_params(bottom=last, left=j == 0, **style)
        if not own:
            axes.set(xticks=TICKS if last else [], yticks=TICKS if j == 0 else [])

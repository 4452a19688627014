"""Figures 5, 10 and 11: images where NSGF++ hands over, above what becomes of them."""

from collections.abc import Sequence

from nsgf.config.figure import Figure, FigureStage
from nsgf.report.images import Block, draw_blocks, states
from nsgf.report.source import Panel, two_phase
from nsgf.report.style import Drawing


def draw(settings: FigureStage, figure: Figure, panels: Sequence[Panel]) -> Drawing:
    """Two rows for each data set: after the NSGF steps, and final."""
    blocks = []
    for panel in two_phase(panels):
        path, steps = panel.arrays["path"], flow_steps(panel)
        rows = {f"after {steps} NSGF steps": path[steps], "final": path[-1]}
        blocks.append(Block(panel.title, [states(panel, rows)]))
    return draw_blocks(settings, blocks)


def flow_steps(panel: Panel) -> int:
    """NSGF steps of a two-phase path: their times are negative."""
    return int((panel.arrays["times"][:, 0] < 0).sum())

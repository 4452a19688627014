"""Figures 8 and 9: the first samples, uncurated, each above its nearest training image in L2."""

from collections.abc import Sequence

from nsgf.config.figure import Figure, FigureStage
from nsgf.report.images import COLUMNS, Block, draw_blocks
from nsgf.report.source import Panel
from nsgf.report.style import Drawing

MOST_GROUPS = 4  # pairs of rows


def draw(settings: FigureStage, figure: Figure, panels: Sequence[Panel]) -> Drawing:
    """A block for each cell, in pairs of rows."""
    return draw_blocks(settings, [_block(panel) for panel in panels])


def _block(panel: Panel) -> Block:
    samples, near = panel.arrays["samples"], panel.arrays["neighbours"]
    starts = range(0, min(len(samples), MOST_GROUPS * COLUMNS), COLUMNS)
    return Block(
        f"{panel.title}, uncurated",
        [
            [("sample", samples[i : i + COLUMNS]), ("nearest in training", near[i : i + COLUMNS])]
            for i in starts
        ],
    )

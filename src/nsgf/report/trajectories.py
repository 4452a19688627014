"""Figure 1: trajectories of images from the same noise, the straight flow against NSGF++."""

from collections.abc import Sequence

from nsgf.config.figure import Figure, FigureStage
from nsgf.report.images import Block, draw_blocks, states
from nsgf.report.source import Panel, state_at, two_phase
from nsgf.report.style import Drawing

PROGRESS = {"start": 0.0, "half of the steps": 0.5, "end": 1.0}


def draw(settings: FigureStage, figure: Figure, panels: Sequence[Panel]) -> Drawing:
    """A block for each method, a row for each time; a column is one sample's noise."""
    last, blocks = two_phase(panels), []
    for panel in sorted(panels, key=lambda p: (figure.datasets.index(p.dataset), p in last)):
        rows = {words: state_at(panel, progress) for words, progress in PROGRESS.items()}
        blocks.append(Block(panel.title, [states(panel, rows)]))
    return draw_blocks(settings, blocks)

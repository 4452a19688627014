"""Figures 5, 10 and 11: images where NSGF++ hands over, above what becomes of them."""

from collections.abc import Sequence

from nsgf.config.figure import Figure, FigureStage
from nsgf.data.arrays import as_images
from nsgf.registry import DATASETS
from nsgf.report.images import Block, draw_blocks
from nsgf.report.source import PATH, Panel, demand, flow_steps, two_phase
from nsgf.report.style import Drawing, look


@look()
def draw(settings: FigureStage, figure: Figure, panels: Sequence[Panel]) -> Drawing:
    """Two rows for each data set: after the NSGF steps, and final."""
    demand(panels, PATH, image=True)
    return draw_blocks(settings, [_block(panel) for panel in two_phase(panels)])


def _block(panel: Panel) -> Block:
    path, steps = panel.arrays["path"], flow_steps(panel)
    rows = {f"after {steps} NSGF steps": path[steps], "final": path[-1]}
    group = [
        (words, as_images(points, DATASETS[panel.dataset].shape)) for words, points in rows.items()
    ]
    return Block(panel.title, [group])

"""Figure 1: trajectories of images from the same noise, the straight flow against NSGF++."""

from collections.abc import Sequence

from nsgf.config.figure import Figure, FigureStage
from nsgf.data.arrays import as_images
from nsgf.registry import DATASETS
from nsgf.report.images import Block, draw_blocks
from nsgf.report.source import PATH, Panel, demand, state_at, two_phase
from nsgf.report.style import Drawing, look

PROGRESS = {0.0: "start", 0.5: "half of the steps", 1.0: "end"}


@look()
def draw(settings: FigureStage, figure: Figure, panels: Sequence[Panel]) -> Drawing:
    """A block for each method, a row for each time; a column is one sample's noise."""
    demand(panels, PATH, image=True)
    last = two_phase(panels)
    ordered = [p for d in figure.datasets for p in panels if p.dataset == d]
    ordered.sort(key=lambda p: (figure.datasets.index(p.dataset), p in last))
    return draw_blocks(settings, [_block(panel) for panel in ordered])


def _block(panel: Panel) -> Block:
    rows = [
        (words, as_images(state_at(panel, progress), DATASETS[panel.dataset].shape))
        for progress, words in PROGRESS.items()
    ]
    return Block(panel.title, [rows])

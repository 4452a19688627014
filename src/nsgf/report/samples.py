"""Points that are pictures: some of the target, then some samples of each method."""

from collections.abc import Sequence

from nsgf.config.figure import Figure, FigureStage
from nsgf.registry import DATASETS
from nsgf.report.images import Block, draw_blocks, pixels
from nsgf.report.planar import target_points
from nsgf.report.source import Panel, state_at
from nsgf.report.style import Drawing


def draw(settings: FigureStage, figure: Figure, panels: Sequence[Panel]) -> Drawing:
    """A block for each data set, a row for the target and for each method."""
    blocks = []
    for dataset in figure.datasets:
        rows = [("target", pixels(dataset, target_points(settings.seed, dataset)))]
        for panel in (p for p in panels if p.dataset == dataset):
            rows.append((panel.method_title, pixels(dataset, state_at(panel, 1.0))))
        blocks.append(Block(DATASETS[dataset].label, [rows]))
    return draw_blocks(settings, blocks)

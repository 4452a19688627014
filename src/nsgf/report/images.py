"""What figures of images share: rows of images as strips, grouped under headings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nsgf.config.figure import FigureStage
from nsgf.data.arrays import as_images
from nsgf.registry import DATASETS
from nsgf.report.source import Panel
from nsgf.report.style import SMALL, Drawing, Sheet

COLUMNS = 10
ENLARGED = 4  # pixels of a strip a pixel of an image, each way
SIDE, GAP = 0.56, 0.04  # inches: an image, and the space between images
RIGHT, HEAD, BETWEEN, PER_LETTER = 0.04, 0.26, 0.1, 0.058
Row = tuple[str, np.ndarray]  # label, images uint8 (k, c, h, w)


@dataclass(frozen=True)
class Block:
    """Rows of images under one heading; groups of rows stand a little apart."""

    title: str
    groups: Sequence[Sequence[Row]]


def states(panel: Panel, points: Mapping[str, np.ndarray]) -> list[Row]:
    """Rows of states (m, d) of a panel's images, by their labels."""
    return [(label, pixels(panel.dataset, state)) for label, state in points.items()]


def pixels(dataset: str, points: np.ndarray) -> np.ndarray:
    """Points (n, d) of a data set of pictures as grey levels, uint8 (n, c, h, w)."""
    spec = DATASETS[dataset]
    if spec.cloud:  # in the units of their files, which are grey levels
        return points.round().clip(0, 255).astype(np.uint8).reshape(-1, *spec.shape)
    return as_images(points, spec.shape)


def strip(images: np.ndarray) -> np.ndarray:
    """Images side by side on white, uint8 (h, w', 3); at most `COLUMNS` are shown."""
    shown = images[:COLUMNS].repeat(ENLARGED, axis=2).repeat(ENLARGED, axis=3)
    k, _, h, w = shown.shape
    space = round(w * GAP / SIDE)
    wide = np.full((h, k * (w + space) - space, 3), 255, np.uint8)
    for i, image in enumerate(shown):
        wide[:, i * (w + space) : i * (w + space) + w] = image.transpose(1, 2, 0)
    return wide


def draw_blocks(settings: FigureStage, blocks: Sequence[Block]) -> Drawing:
    """All blocks from top to bottom, with the rows' labels at the left."""
    labels = [label for b in blocks for group in b.groups for label, _ in group]
    left = 0.12 + PER_LETTER * max(len(label) for label in labels)
    width = COLUMNS * (SIDE + GAP) - GAP
    groups = sum(len(b.groups) for b in blocks)
    height = len(blocks) * HEAD + len(labels) * (SIDE + GAP) + groups * BETWEEN
    sheet, top = Sheet(settings, left + width + RIGHT, height), 0.0
    for block in blocks:
        sheet.text(left + width / 2, top + HEAD / 2, block.title)
        top += HEAD
        for group in block.groups:
            for label, images in group:
                _draw_row(sheet, left, top, label, images)
                top += SIDE + GAP
            top += BETWEEN
    return sheet.drawing


def _draw_row(sheet: Sheet, left: float, top: float, label: str, images: np.ndarray) -> None:
    row = strip(images)
    axes = sheet.axes(left, top, SIDE * row.shape[1] / row.shape[0], SIDE, frame=False)
    axes.imshow(row, interpolation="nearest", aspect="auto")
    sheet.text(left - 0.08, top + SIDE / 2, label, ha="right", fontsize=SMALL)

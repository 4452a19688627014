"""One look for all figures, and files whose bytes follow from what is drawn.

A figure is laid out by hand, in inches from the top left corner of a `Sheet`: panels are then
exactly square, and nothing moves because a label grew. Fonts are matplotlib's own, never the
machine's.
"""

import contextlib
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import matplotlib
import seaborn
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Drawing

from nsgf.artifact import atomic
from nsgf.config.figure import FigureStage
from nsgf.registry import METHODS

matplotlib.use("Agg")

FONT, SMALL = 9, 7.5  # points
INK, GREY = "#1a1a1a", "#6b6b6b"
TARGET = "#56b4e9"  # Okabe and Ito's sky blue; like the two below, safe for colour-blind readers
STEPS = LinearSegmentedColormap.from_list("steps", ["#0a3a9e", "#7b3f98", "#d7191c"])
DPI = {"pdf": 300, "png": 200}  # of a PDF only what is rasterised
NAMES = {"pdf": ("CreationDate", "Creator", "Producer"), "png": ("Software",)}  # are left out
ALWAYS = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": FONT,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "text.color": INK,
    "pdf.fonttype": 42,
}


@contextlib.contextmanager
def look() -> Iterator[None]:
    """Draw and save in the house's look, whatever a matplotlibrc says; also a decorator."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(seaborn.axes_style("white") | ALWAYS)
        yield


class Sheet:
    """A page measured in inches from its top left corner.

    The run's title stands over everything where the run is reduced.

    Attributes:
        drawing: matplotlib's figure.
        width: in inches.
    """

    def __init__(self, settings: FigureStage, width: float, height: float):
        title = textwrap.fill(settings.title, int(15 * width)) if settings.reduced else ""
        self._head = 0.155 * (title.count("\n") + 1) + 0.04 if title else 0.0
        self.width, self._height = width, height + self._head
        self.drawing = Drawing(figsize=(self.width, self._height), facecolor="white")
        if title:
            place = {"va": "top", "fontsize": SMALL, "color": GREY, "style": "italic"}
            self.text(width / 2, 0.02 - self._head, title, **place)

    def axes(self, left: float, top: float, width: float, height: float, frame=True) -> Axes:
        """Axes without ticks, and if it is said without a frame."""
        bottom = self._height - self._head - top - height
        box = (left / self.width, bottom / self._height)
        axes = self.drawing.add_axes((*box, width / self.width, height / self._height))
        axes.set(xticks=[], yticks=[])
        axes.axison = frame
        return axes

    def text(self, left: float, top: float, words: str, **options) -> None:
        """Words around a point; options are matplotlib's."""
        y = self._height - self._head - top
        place = {"ha": "center", "va": "center", "fontsize": FONT} | options
        self.drawing.text(left / self.width, y / self._height, words, **place)


def method_colour(method: str) -> tuple[float, float, float]:
    """A method's colour, the same in every figure and safe for colour-blind readers."""
    palette = seaborn.color_palette("colorblind")
    return palette[list(METHODS).index(method) % len(palette)]


def save(drawing: Drawing, paths: Mapping[str, Path]) -> None:
    """Write files by their form, each whole or not at all; equal drawings give equal bytes."""
    place = {"bbox_inches": "tight", "pad_inches": 0.05}
    for form, path in paths.items():
        with atomic(path) as temporary:
            about = {"format": form, "dpi": DPI[form], "metadata": dict.fromkeys(NAMES[form])}
            drawing.savefig(temporary, **about, **place)

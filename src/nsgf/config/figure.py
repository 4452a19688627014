"""What a figure shows."""

from pydantic import Field

from nsgf.config.base import Model
from nsgf.config.metrics import Judging


class Figure(Model):
    """A figure of the paper, or one of ours."""

    kind: str
    """Its name in nsgf.registry, FIGURES."""
    study: str | None = None
    """The study whose cells are shown; null for kind targets, which shows data sets of any."""
    datasets: tuple[str, ...] = Field(min_length=1)
    methods: tuple[str, ...] = ()
    """Rows of the study that are shown; all where empty."""
    nfe: int | None = None
    """Evaluations a sample of the methods shown, count; null for two-phase methods."""
    x: str | None = None
    """Of a heat map: the varied setting along x."""
    y: str | None = None
    """Of a heat map: the varied setting along y."""
    metric: str | None = None
    """Of a heat map: what is shown."""


class PanelOf(Model):
    """A cell that is shown on one data set."""

    dataset: str
    row: str
    """Of the study."""
    method: str
    """In nsgf.registry."""
    label: str
    """As it is printed, with what varies."""


class FigureStage(Model):
    """All that decides a figure beside what it is drawn from."""

    seed: int
    name: str
    title: str
    """Printed over it where the run is reduced."""
    reduced: tuple[str, ...]
    judging: Judging
    figure: Figure
    panels: tuple[PanelOf, ...] = ()
    """One for each file that it is drawn from."""

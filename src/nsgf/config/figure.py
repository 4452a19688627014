"""What a figure shows, and what tables, figures and claims are given."""

from typing import Annotated

from pydantic import Field, field_validator

from nsgf.config.base import NO_TWICE, Model
from nsgf.config.cells import known
from nsgf.config.metrics import Judging
from nsgf.config.study import Study
from nsgf.numerics import Mode
from nsgf.registry import FIGURES


class Figure(Model):
    """A figure of the paper, or one of ours."""

    kind: str
    """Its name in nsgf.registry, FIGURES."""
    study: str | None = None
    """The study whose cells are shown; null for kind targets, which shows data sets of any."""
    datasets: Annotated[tuple[str, ...], NO_TWICE] = Field(min_length=1)
    methods: Annotated[tuple[str, ...], NO_TWICE] = ()
    """Rows of the study that are shown; all where empty."""
    nfe: int | None = None
    """Evaluations a sample of the methods shown, count; null for two-phase methods."""
    x: str | None = None
    """Of a heat map or a curve: the varied setting along x, or nfe."""
    y: str | None = None
    """Of a heat map: the varied setting along y."""
    metric: str | None = None
    """Of a heat map or a curve: what is shown."""

    @field_validator("kind")
    @classmethod
    def _is_known(cls, kind: str) -> str:
        known(FIGURES, kind, "kind of figure")
        return kind


class Shown(Model):
    """A cell, as figures know it."""

    row: str
    """Of the study."""
    method: str
    """In nsgf.registry."""
    label: str
    """As it is printed, with what varies."""


class PanelOf(Model):
    """A cell that is shown on one data set."""

    dataset: str
    cell: Shown


class ReportStage(Model):
    """What decides a table, a figure or the claims of a run beside what was measured."""

    seed: int
    name: str
    title: str
    """Of the run; printed over figures where it is reduced."""
    reduced: tuple[str, ...]
    judging: Judging
    numerics: Mode

    @classmethod
    def of(cls, preset, name: str, about: str | None = None, **more):
        """Of a preset; `about` is the study that it is of, if it is of one."""
        title, reduced = preset.said_of(about)
        shared = {key: getattr(preset, key) for key in ("seed", "judging", "numerics")}
        return cls(name=name, title=title, reduced=reduced, **shared, **more)


class TableStage(ReportStage):
    """All that decides a table beside what was measured."""

    study: Study | None = None
    """Whose it is; null for tables that rest on others, and on training targets."""
    form: str
    """Module that lays it out."""


class FigureStage(ReportStage):
    """All that decides a figure beside what it is drawn from."""

    figure: Figure
    panels: tuple[PanelOf, ...] = ()
    """One for each file that it is drawn from."""

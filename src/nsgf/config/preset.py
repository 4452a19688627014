"""A preset: the whole study at one scale. `quick`, `cpu` and `paper` are the same DAG."""

from collections.abc import Mapping

from pydantic import Field, model_validator

from nsgf.config.base import Model, part
from nsgf.config.cells import Cell, cells
from nsgf.config.data import OwnData
from nsgf.config.figure import Figure
from nsgf.config.metrics import Judging
from nsgf.config.study import Name, Study
from nsgf.errors import NsgfError
from nsgf.numerics import Mode
from nsgf.registry import DATASETS, FIGURES, add_cloud, lookup

SHOWN = {  # by what a kind of figure shows: in words, and whether a data set is such
    "images": ("image sets", lambda spec: spec.is_image),
    "plane": ("2-D points", lambda spec: spec.shape == (2,)),
    "vectors": ("points that are no image set", lambda spec: not spec.is_image),
    "pixels": ("pictures of one's own", lambda spec: len(spec.shape) == 3 and spec.cloud),
}


class Preset(Model):
    """One run of everything, from data to report."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    title: str
    """Printed over every table and figure; says so where the run is reduced."""
    reduced: tuple[str, ...] = ()
    """What differs from the paper's settings, one sentence each; empty for `paper`."""
    seed: int = Field(ge=0)
    """Root of all random streams."""
    data: dict[Name, OwnData] = Field(default_factory=dict)
    """Data sets of one's own; `nsgf new` makes them."""
    studies: dict[Name, Study] = Field(min_length=1)
    judging: Judging = Judging()
    figures: dict[Name, Figure] = Field(default_factory=dict)
    """By file name: figure3 is Figure 3 of the paper."""
    only: str | None = None
    """The part that is run: a study, `study/set,set` for some of its data sets, or `name` for all
    studies that are called `name-...`; None for all."""

    @model_validator(mode="before")
    @classmethod
    def _own_data(cls, values):
        """Let studies and figures find the preset's own data sets by their names."""
        own = values.get("data") if isinstance(values, dict) else None
        for name, entry in own.items() if isinstance(own, dict) else ():
            try:
                add_cloud(name, part(entry, OwnData, f"data.{name}").dataset)
            except NsgfError as error:
                raise ValueError(f"data.{name}: {error.what}; {error.mend}") from error
        return values

    def part(self, only: str | None) -> "Preset":
        """The same preset, of which `only` is run; all of it where nothing is said.

        Files have the names that they have in the whole.

        Raises:
            NsgfError: there is no such study, or it has no such data set.
        """
        part = self.model_copy(update={"only": only or None})
        part.running  # noqa: B018
        return part

    @property
    def running(self) -> Mapping[str, Study]:
        """The studies that are run, with the data sets that they are run on.

        Raises:
            NsgfError: `only` names none.
        """
        if self.only is None:
            return self.studies
        name, _, sets = self.only.partition("/")
        family = {n: s for n, s in self.studies.items() if n.startswith(f"{name}-")}
        if family and name not in self.studies:
            if sets:
                raise NsgfError(
                    f"'{self.only}' names data sets of {len(family)} studies",
                    f"name one of them: {', '.join(family)}",
                )
            return family
        study = lookup(self.studies, name, f"study of preset '{self.name}'")
        known = dict.fromkeys(study.datasets)
        for dataset in (wanted := [d for d in sets.split(",") if d]):
            lookup(known, dataset, f"data set of study '{name}' of preset '{self.name}'")
        chosen = tuple(d for d in known if d in wanted or not wanted)
        return {name: study.model_copy(update={"datasets": chosen})}

    @property
    def publication(self) -> str:
        """What its run is published as: the preset, or a part of it."""
        return "-".join(filter(None, (self.name, self.part_name)))

    @property
    def part_name(self) -> str:
        """The study, or the family of studies, that is run; "" for all."""
        return (self.only or "").partition("/")[0]

    @property
    def numerics(self) -> Mode:
        """Of what is made from all studies: portable where every one of them is."""
        modes = {study.compute.numerics for study in self.studies.values()}
        return "native" if "native" in modes else "portable"

    def said_of(self, study: str | None) -> tuple[str, tuple[str, ...]]:
        """Title of what is made of a study, or of all, and what of it is reduced."""
        own = self.studies.get(study)
        title = self.title if own is None or own.title is None else own.title
        reduced = self.reduced if own is None or own.reduced is None else own.reduced
        here = self.running.get(study)
        if own and here and here.datasets != own.datasets:
            title = f"{title} (so far {', '.join(DATASETS[d].label for d in here.datasets)})"
        return title, reduced

    @model_validator(mode="after")
    def _figures_exist(self):
        if "targets" in self.studies:
            raise ValueError("a study cannot be called 'targets': that is another table's name")
        try:
            self.running  # noqa: B018
        except NsgfError as error:
            raise ValueError(f"only: {error.what}; {error.mend}") from error
        for name, figure in self.figures.items():
            kind = FIGURES[figure.kind]
            taken = (*kind.axes, "metric") if kind.axes else ()
            for key in (k for k in ("x", "y", "metric") if k not in taken):
                if getattr(figure, key) is not None:
                    raise ValueError(f"figures.{name}: kind '{figure.kind}' takes no {key}")
            check = self._check_targets if kind.reads == "targets" else self._check_figure
            check(name, figure, kind)
        return self

    def _check_targets(self, name, figure, kind):
        if figure.study or figure.methods or figure.nfe is not None:
            raise ValueError(f"figures.{name}: kind 'targets' takes datasets and nothing else")
        asked = [d for study in self.studies.values() if study.targets for d in study.datasets]
        for dataset in (d for d in figure.datasets if d not in asked):
            raise ValueError(f"figures.{name}: no study with targets has '{dataset}'")

    def _check_figure(self, name, figure, kind):
        study = self.studies.get(figure.study)
        if study is None:
            raise ValueError(f"figures.{name} shows study '{figure.study}', which is not given")
        absent = [d for d in figure.datasets if d not in study.datasets]
        absent += [m for m in figure.methods if m not in study.methods]
        if absent:
            raise ValueError(f"figures.{name}: study '{figure.study}' has no '{absent[0]}'")
        if kind.axes:
            _check_axes(name, figure, study, kind.axes)
        for dataset in figure.datasets if kind.shows else ():
            words, fits = SHOWN[kind.shows]
            if not fits(DATASETS[dataset]):
                raise ValueError(
                    f"figures.{name}: kind '{figure.kind}' shows {words}, not '{dataset}'"
                )
        if kind.reads == "probe" and study.probe is None:
            raise ValueError(f"figures.{name}: study '{figure.study}' has no probe")
        if kind.reads in ("table", "probe"):
            return
        known = sorted({c.nfe for c in cells(study) if c.nfe})
        if figure.nfe is not None and figure.nfe not in known:
            raise ValueError(f"figures.{name}: nfe {figure.nfe} is not one of {known}")
        shown = shown_cells(study, figure)
        if not shown:
            raise ValueError(f"figures.{name} shows nothing: give nfe, one of {known}")
        if kind.reads == "paths" and any(c.sampling.solver == "dopri5" for c in shown):
            raise ValueError(
                f"figures.{name} shows states on the way, which solver dopri5 does not keep"
            )


def _check_axes(name: str, figure: Figure, study: Study, axes: tuple[str, ...]) -> None:
    every = [c for c in cells(study) if not figure.methods or c.name in figure.methods]
    settings = [{"nfe": c.nfe} | c.varied for c in every]
    varied = sorted({key for one in settings for key in one})
    over = [getattr(figure, axis) for axis in axes]
    for axis, key in zip(axes, over, strict=True):
        if key not in varied:
            raise ValueError(
                f"figures.{name}: {axis} is {key!r}, none of what study '{figure.study}' varies:"
                f" {', '.join(varied) or 'nothing'}"
            )
    have = [(c.name, s) for c, s in zip(every, settings, strict=True) if set(over) <= set(s)]
    places = [(row, *(one[key] for key in over)) for row, one in have]
    if len(set(places)) < len(places):
        raise ValueError(
            f"figures.{name}: study '{figure.study}' varies more than {' and '.join(over)}:"
            f" {', '.join(varied)}; kind '{figure.kind}' shows {len(over)}"
        )


def shown_cells(study: Study, figure: Figure) -> list[Cell]:
    """Cells that a figure shows: those at its NFE, or of methods that find out their own."""
    names = figure.methods or tuple(study.methods)
    found = [c for c in cells(study) if c.nfe == figure.nfe and c.name in names]
    return sorted(found, key=lambda cell: names.index(cell.name))

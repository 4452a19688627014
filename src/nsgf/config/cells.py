"""A cell: a method and its parameters, with every setting resolved.

A study gives settings once and says in which a row differs. `flow.blur: [0.1, 0.5]` makes two
cells of a row; a list of mappings makes a cell of each, for settings that vary together; `sweep`
varies settings for all rows that have them. What varies stands in paths and is a column of tables.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nsgf.config.base import nearest, part
from nsgf.config.pool import Flow, Pool
from nsgf.config.sample import Sampling
from nsgf.config.train import Training
from nsgf.errors import NsgfError
from nsgf.registry import METHODS, Method, lookup

if TYPE_CHECKING:
    from nsgf.config.study import Study

Value = int | float | str | bool
Case = dict[str, Value | list]
ABOUT = ("method", "label")  # keys of a case that are no settings
IN_PATHS = re.compile(r"[A-Za-z0-9_.+-]+")  # values that vary


@dataclass(frozen=True)
class Cell:
    """A method and its parameters.

    Attributes:
        name: of its row: a key of the study's `methods`.
        method: in nsgf.registry.
        label: as it is printed.
        varied: settings in which the row's cells differ, by their dotted keys.
        nfe: evaluations a sample; None where the method finds out what it needs.
        flow, pool: None for methods that learn from no pool.
        networks: trainings of the method's networks, by name.
        sampling: of its samples.
    """

    name: str
    method: str
    label: str
    varied: Mapping[str, Value]
    nfe: int | None
    flow: Flow | None
    pool: Pool | None
    networks: Mapping[str, Training]
    sampling: Sampling

    @property
    def path(self) -> str:
        """As it stands in paths."""
        return ",".join([self.name, *(f"{k}={v}" for k, v in self.varied.items())])

    def called(self, what: str, *sections: str) -> str:
        """A name in paths for what some sections of its settings decide."""
        row = [] if self.name == self.method else [self.name]
        varied = [f"{k}={v}" for k, v in self.varied.items() if k.startswith(sections)]
        return ",".join([what, *row, *varied])


def cells(study: "Study") -> tuple[Cell, ...]:
    """All cells of a study, in the order of its methods.

    Raises:
        ValueError: a key or value is not possible, something is missing, or two cells are the same.
    """
    found = [cell for name in study.methods for cell in _of_row(study, name)]
    _check_sweep(study, {METHODS[cell.method] for cell in found})
    paths = [cell.path for cell in found]
    if twice := sorted({p for p in paths if paths.count(p) > 1}):
        raise ValueError(f"methods: the cell '{twice[0]}' is there twice")
    return tuple(found)


def beside_nfe(every: Sequence[Cell]) -> dict[str, dict[str, Value]]:
    """For each cell, by its path, the settings that tell it from others of its row and NFE."""
    found = {}
    for cell in every:
        alike = [c.varied for c in every if (c.name, c.nfe) == (cell.name, cell.nfe)]
        keys = {k for k in cell.varied if len({v.get(k) for v in alike}) > 1}
        found[cell.path] = {k: v for k, v in cell.varied.items() if k in keys and k != "nfe"}
    return found


def _of_row(study: "Study", name: str) -> Iterator[Cell]:
    given = study.methods[name]
    several = not isinstance(given, dict)
    for case in given if several else (given,):
        method_name = str(case.get("method", name))
        method = known(METHODS, method_name, "method")
        if method.same_as:
            raise ValueError(f"method '{name}' prints '{method.same_as}': list that one instead")
        settings = {k: v for k, v in case.items() if k not in ABOUT}
        for key in settings:
            if not _applies(key, method):
                raise ValueError(f"methods.{name}: '{method_name}' has no setting '{key}'")
        swept = {k: list(v) for k, v in study.sweep.items() if _applies(k, method)}
        swept = {k: v for k, v in swept.items() if k not in settings}  # the row's own word counts
        if method.takes_nfe and "nfe" not in settings:
            if not study.nfe:
                raise ValueError(f"method '{name}' needs nfe, which is empty")
            swept = {"nfe": list(study.nfe)} | swept
        if empty := [k for k, v in settings.items() if v == []]:
            raise ValueError(f"methods.{name}.{empty[0]}: no values")
        listed = {k for k, v in settings.items() if several or isinstance(v, list)} | set(swept)
        label = str(case.get("label", method.label))
        options = {k: v if isinstance(v, list) else [v] for k, v in (settings | swept).items()}
        for chosen in itertools.product(*options.values()):
            values = dict(zip(options, chosen, strict=True))
            varied = {k: v for k, v in values.items() if k in listed}
            called = {"name": name, "method": method_name, "label": label, "varied": varied}
            yield _resolved(study, called, method, values)


def known(table: Mapping, name: str, what: str):
    """`table[name]`, for validators: pydantic takes no error but ValueError.

    Raises:
        ValueError: there is no such name.
    """
    try:
        return lookup(table, name, what)
    except NsgfError as error:
        raise ValueError(f"{error.what}; {error.mend}") from error


def _check_sweep(study: "Study", used: set[Method]) -> None:
    """Every swept setting is one of some method's."""
    for key, values in study.sweep.items():
        if not values:
            raise ValueError(f"sweep.{key}: no values")
        if not any(_applies(key, method) for method in used):
            raise ValueError(f"sweep: none of the methods has a setting '{key}'")


def _applies(key: str, method: Method) -> bool:
    """Whether a method has the setting; a key that nothing has is refused when it is resolved."""
    section, _, rest = key.partition(".")
    if section == "nfe":
        return method.takes_nfe
    if section in ("flow", "pool"):
        return method.needs_pool
    if section == "networks":
        return rest.partition(".")[0] in method.networks
    return True


def _resolved(study: "Study", called: dict, method: Method, values: dict[str, Value]) -> Cell:
    """The cell that is `called` so, with the study's settings and the `values` that are its own."""
    name = called["name"]
    missing = [n for n in method.networks if n not in study.networks]
    if missing:
        raise ValueError(f"method '{name}' needs networks.{missing[0]}, which is not given")
    if method.needs_pool and (study.flow is None or study.pool is None):
        raise ValueError(f"method '{name}' learns from a pool: give flow and pool")
    flow = _changed(study.flow, "flow", values) if method.needs_pool else None
    pool = _changed(study.pool, "pool", values) if method.needs_pool else None
    networks = {
        n: _changed(_changed(study.networks[n], "training", values), f"networks.{n}", values)
        for n in method.networks
    }
    sections = ("nfe", "flow.", "pool.", "training.", "networks.", "sampling.")
    if unknown := [k for k in values if not k.startswith(sections)]:
        hint = nearest(unknown[0], _keys(study))
        raise ValueError(f"methods.{name}: unknown key '{unknown[0]}'{hint}")
    for key, value in called["varied"].items():
        if not IN_PATHS.fullmatch(str(value)):
            raise ValueError(f"methods.{name}: {key} is {value!r}, which no path can hold")
    nfe = values.get("nfe") if method.takes_nfe else None
    if nfe is not None and (type(nfe) is not int or nfe < 1):
        raise ValueError(f"methods.{name}: nfe is {nfe}, not a count of 1 or more")
    if method.follows_flow and not method.two_phase:
        nfe = flow.steps
    if method.stepwise:
        nfe = networks[method.networks[-1]].options["steps"]
    sampling = _changed(study.sampling, "sampling", values)
    return Cell(**called, nfe=nfe, flow=flow, pool=pool, networks=networks, sampling=sampling)


def _keys(study: "Study") -> list[str]:
    """Every setting that a row can give."""
    sections = {"flow": study.flow, "pool": study.pool, "sampling": study.sampling}
    sections |= {f"networks.{name}": training for name, training in study.networks.items()}
    found = {f"{s}.{key}" for s, model in sections.items() if model for key in model.model_dump()}
    some = next(iter(study.networks.values()), None)
    return sorted(found | {f"training.{key}" for key in (some.model_dump() if some else ())})


def _changed(model, section: str, values: Mapping[str, Value]):
    """`model` with the settings whose keys begin with `section`."""
    within = f"{section}."
    mine = {k.removeprefix(within): v for k, v in values.items() if k.startswith(within)}
    if not mine:
        return model
    body = model.model_dump()
    for key, value in mine.items():
        place = body
        *outer, last = key.split(".")
        for name in outer:
            place = place.get(name) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            hint = nearest(last, place if isinstance(place, dict) else body)
            raise ValueError(f"unknown key '{section}.{key}'{hint}")
        place[last] = value
    return part(body, type(model), section)

"""What figures are drawn from: the paths, or the neighbours, of one cell on one data set.

A path has one state for each step. Between two states an Euler path is a straight line, so the
state at any fraction of a path is exact.
"""

import json
import math
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from nsgf.config.figure import PanelOf
from nsgf.errors import NsgfError
from nsgf.registry import DATASETS, METHODS

PATH = ("path", "times")
NEIGHBOURS = ("samples", "neighbours", "index")


@dataclass(frozen=True)
class Shown:
    """A cell, as figures know it."""

    row: str
    method: str
    label: str


@dataclass(frozen=True)
class Panel:
    """One cell on one data set.

    Attributes:
        dataset: its name in nsgf.registry.
        cell: what is shown: its row, method and printed name.
        nfe: evaluations a sample that were spent, mean.
        arrays: path (steps + 1, m, d) and times (steps + 1, m); or samples and neighbours,
            uint8 (k, c, h, w), with index (k,).
    """

    dataset: str
    cell: Shown
    nfe: float
    arrays: Mapping[str, np.ndarray]

    @property
    def method_title(self) -> str:
        """Method and cost."""
        return method_title(self.cell, self.nfe)

    @property
    def title(self) -> str:
        """Data set, method and cost."""
        return f"{DATASETS[self.dataset].label}: {self.method_title}"


def method_title(cell: Shown, nfe: float) -> str:
    """Method and cost, such as `NSGF++, NFE 23.4`."""
    return f"{cell.label}, NFE {f'{nfe:.1f}'.removesuffix('.0')}"


def read(file: Path, cost: Path, of: PanelOf) -> Panel:
    """A stored panel, and what its samples cost.

    Raises:
        NsgfError: the files are damaged or hold something else.
    """
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        nfe = float(json.loads(cost.read_text())["nfe"])
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise NsgfError(
            f"'{file}' or '{cost}' is damaged: {error}", "remove both and run again"
        ) from error
    return Panel(of.dataset, Shown(of.row, of.method, of.label), nfe, arrays)


@dataclass(frozen=True)
class TargetPanel:
    """How wrong training targets are on one data set.

    Attributes:
        dataset: its name in nsgf.registry.
        errors: relative errors, (problems, steps), by (solver, scaling); scaling is None for one
            that converges.
        change: the table's row of W2 with exact targets less that with GeomLoss's, or None.
    """

    dataset: str
    errors: Mapping[tuple[str, float | None], np.ndarray]
    change: Mapping[str, float | str] | None


def read_targets(files: Iterable[Path], table: Path) -> list[TargetPanel]:
    """Stored errors, with what the table on training targets says of W2.

    Raises:
        NsgfError: a file is damaged.
    """
    try:
        changes = pd.read_csv(table).dropna(subset="change").set_index("dataset")
        bodies = [json.loads(file.read_text()) for file in files]
        return [
            TargetPanel(
                body["dataset"],
                {
                    (s["backend"], s["scaling"]): np.array([p["relative"] for p in s["problems"]])
                    for s in body["settings"]
                },
                dict(changes.loc[body["dataset"]]) if body["dataset"] in changes.index else None,
            )
            for body in bodies
        ]
    except (ValueError, KeyError) as error:
        raise NsgfError(
            f"'{table}' or an input of it is damaged: {error}", "remove it and run again"
        ) from error


def demand(panels: Iterable[Panel], names: Iterable[str], image: bool) -> None:
    """Check that panels hold the arrays `names` and points of the right kind and size.

    Raises:
        NsgfError: they do not.
    """
    for panel in panels:
        spec = DATASETS[panel.dataset]
        if spec.is_image != image:
            raise NsgfError(
                f"this kind of figure shows {'images' if image else '2-D points'}, which data set "
                f"'{panel.dataset}' has not",
                "give the figure another kind, or other datasets",
            )
        missing = [name for name in names if name not in panel.arrays]
        if missing:
            raise NsgfError(
                f"{panel.title}: the file has no array '{missing[0]}'", "remove it and run again"
            )
        points = panel.arrays[next(iter(names))]
        if math.prod(points.shape[2 if "path" in names else 1 :]) != math.prod(spec.shape):
            raise NsgfError(
                f"{panel.title}: points of shape {spec.shape} expected, arrays are {points.shape}",
                "remove the file and run again",
            )


def two_phase(panels: Iterable[Panel]) -> list[Panel]:
    """Panels of methods that hand over.

    Raises:
        NsgfError: there are none.
    """
    found = [p for p in panels if METHODS[p.cell.method].two_phase]
    if not found:
        raise NsgfError(
            "this kind of figure shows a two-phase method, and its cells have none",
            "list nsgf++ among the study's methods and give the figure no nfe",
        )
    return found


def state_at(panel: Panel, fraction: float) -> np.ndarray:
    """States (m, d) of all samples at a fraction of their own paths, in evaluations.

    A sample that arrived early stands still: its own path ends where its time becomes the last.
    """
    path, times = panel.arrays["path"], panel.arrays["times"]
    steps = np.argmax(times >= times[-1] - 1e-6, axis=0)
    place = fraction * steps
    before = np.floor(place).astype(int)
    after, sample = np.minimum(before + 1, steps), np.arange(len(steps))
    share = (place - before)[:, None]
    return (1 - share) * path[before, sample] + share * path[after, sample]


def flow_steps(panel: Panel) -> int:
    """NSGF steps of a two-phase path: their times are negative."""
    return int((panel.arrays["times"][:, 0] < 0).sum())

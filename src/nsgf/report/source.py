"""What figures are drawn from: the paths, or the neighbours, of one cell on one data set.

A path has one state for each step. Between two states an Euler path is a straight line, so the
state at any fraction of a path is exact.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nsgf.artifact import read_json, read_npz
from nsgf.config.figure import PanelOf, Shown
from nsgf.errors import NsgfError
from nsgf.registry import DATASETS, METHODS

ARRAYS = {"paths": ("path", "times"), "neighbours": ("samples", "neighbours")}


@dataclass(frozen=True)
class Panel:
    """One cell on one data set.

    Attributes:
        dataset: its name in nsgf.registry.
        cell: what is shown: its row, method and printed name.
        nfe: evaluations a sample that were spent, mean.
        arrays: path (steps + 1, m, d) and times (steps + 1, m); or samples and neighbours,
            uint8 (k, c, h, w).
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


def read(reads: str, file: Path, cost: Path, of: PanelOf) -> Panel:
    """A stored panel of what a kind of figure `reads`, and what its samples cost.

    Raises:
        NsgfError: a file is damaged or holds something else.
    """
    arrays = {name: read_npz(file, name) for name in ARRAYS[reads]}
    return Panel(of.dataset, of.cell, read_json(cost)["nfe"], arrays)


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

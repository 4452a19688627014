"""What a training sees of a table, and what it is judged by: 80 in 100 rows, another split a seed.

Features have mean 0 and deviation 1 over the rows that are seen; those of twonorm and ringnorm stay
as their recipes draw them, about 0: without an intercept, to move them would move the classes.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nsgf.data import tables
from nsgf.jko.logistic import Posterior
from nsgf.registry import DATASETS
from nsgf.rng import stream
from nsgf.studies.logistic.recipes import RECIPES, ROWS

SEEN = 0.8  # of all rows
AS_DRAWN = ("twonorm", "ringnorm")


@dataclass(frozen=True)
class Split:
    """The posterior of what is seen; features (m, d) and classes -1, 1 (m,) of what is not."""

    posterior: Posterior
    x: Tensor
    y: Tensor


def split_of(root: int, dataset: str, seed: int) -> Split:
    """The split of a training.

    Args:
        root: seed of the preset. dataset, seed: of the training.

    Raises:
        NsgfError: the table is missing or damaged.
    """
    x, of = _table(root, dataset)
    order = stream(root, "split", dataset, seed).permutation(len(x))
    seen, rest = order.tensor_split([round(SEEN * len(x))])
    if dataset not in AS_DRAWN:
        x = (x - x[seen].mean(0)) / x[seen].std(0)
    x, y = x.float(), (2 * of - 1).float()
    return Split(Posterior(x[seen], y[seen]), x[rest], y[rest])


def _table(root: int, dataset: str) -> tuple[Tensor, Tensor]:
    """Features float64 (n, d), and classes 0, 1 int64 (n,)."""
    if dataset in RECIPES:
        x, of = RECIPES[dataset](ROWS[dataset], stream(root, "table", dataset))
        return x.double(), of
    table = tables.read(Path(DATASETS[dataset].files[0]))
    return torch.from_numpy(table.features), torch.from_numpy(table.classes).long()

"""The problems that solvers are compared on: the paper's, a large one and a batch."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nsgf.data.problem import open_problem
from nsgf.errors import NsgfError
from nsgf.layout import DATA
from nsgf.registry import DATASETS
from nsgf.rng import stream

SEED = 0


@dataclass(frozen=True)
class Case:
    """A Sinkhorn flow from the data set's source to its target.

    Attributes:
        dataset: name of the data set. n: particles, and as many targets.
        blur: square root of eps, data units. step_size: eta, units of flow time. n_steps: T.
        paper_scaling: GeomLoss's scaling for comparison: of the three that the paper names, the
            earlier code's for images; in 2-D, where no value is named, the same.
        batch: independent problems solved together, or None for a single one without the axis.
    """

    dataset: str
    n: int
    blur: float
    step_size: float
    n_steps: int
    paper_scaling: float
    batch: int | None = None

    @property
    def text(self) -> str:
        """What the case is, in a line."""
        label = f"{self.batch} problems of {self.dataset}" if self.batch else self.dataset
        return (
            f"{label}, n = {self.n}, blur {self.blur:g}, "
            f"{self.n_steps} steps of eta = {self.step_size:g}"
        )


CASES = {
    "2d-blur0.5": Case("8gaussians", 256, 0.5, 0.3, 10, 0.80),
    "2d-blur0.05": Case("8gaussians", 256, 0.05, 0.3, 10, 0.80),
    "mnist": Case("mnist", 256, 1.0, 0.2, 5, 0.85),
    "cifar10": Case("cifar10", 128, 2.0, 0.2, 5, 0.80),
    "2d-large": Case("8gaussians", 4096, 0.5, 0.3, 10, 0.80),
    "2d-batch": Case("8gaussians", 256, 0.5, 0.3, 10, 0.80, batch=64),
}


def inputs(case: Case, data: Path) -> tuple[Tensor, Tensor]:
    """Starting points and targets, float32, (n, d) or (batch, n, d).

    Raises:
        NsgfError: the image set's files are not in the folder `data`.
    """
    try:
        problem, pairs = open_problem(case.dataset, data), []
    except NsgfError as error:
        images = f"{DATA}/{DATASETS[case.dataset].target}/train_images.npy"
        raise NsgfError(error.what, f"get it by: nsgf make {images}") from error
    for k in range(case.batch or 1):
        numbers = stream(SEED, "bench", case.dataset, k)
        y = problem.target(case.n, numbers)
        pairs.append((problem.source(case.n, numbers), y))
    x0, y = (torch.stack(side) for side in zip(*pairs, strict=True))
    return (x0, y) if case.batch else (x0[0], y[0])

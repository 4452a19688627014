"""A problem: where particles start and the law that they should reach, as flat points (n, d)."""

import math
from pathlib import Path
from typing import Protocol

import torch
from torch import Generator, Tensor

from nsgf.data import synthetic
from nsgf.data.arrays import ARRAYS, load, to_unit
from nsgf.registry import DATASETS, Dataset, lookup


class Problem(Protocol):
    """What every data set offers to pools, training and metrics; points are float32 (n, d)."""

    shape: tuple[int, ...]  # of one point

    def source(self, n: int, generator: Generator) -> Tensor:
        """`n` starting points."""

    def target(self, n: int, generator: Generator) -> Tensor:
        """`n` training points."""


class PlanarProblem:
    """A 2-D problem; every draw is fresh."""

    def __init__(self, spec: Dataset):
        self.shape = spec.shape
        self._spec = spec

    def source(self, n: int, generator: Generator) -> Tensor:
        return synthetic.sample(self._spec.source, n, generator)

    def target(self, n: int, generator: Generator) -> Tensor:
        return synthetic.sample(self._spec.target, n, generator)

    def target_iid(self, n: int, generator: Generator) -> Tensor:
        """`n` independent draws of the target law."""
        return synthetic.sample_iid(self._spec.target, n, generator)


class ImageProblem:
    """N(0, I) to training images in [-1, 1], flattened to (n, c * h * w)."""

    def __init__(self, spec: Dataset, folder: Path):
        self.shape = spec.shape
        self._flip = spec.flip
        self._images, self._labels = load(folder, "train")

    def __len__(self) -> int:
        return len(self._images)

    def source(self, n: int, generator: Generator) -> Tensor:
        return torch.randn(n, math.prod(self.shape), generator=generator)

    def target(self, n: int, generator: Generator) -> Tensor:
        return self.labelled(n, generator)[0]

    def labelled(self, n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """`n` training images drawn with replacement, and their labels (n,) int64."""
        index = torch.randint(len(self), (n,), generator=generator)
        images = to_unit(self._images[index.numpy()])
        if self._flip:
            mirrored = torch.rand(n, generator=generator) < 0.5
            images[mirrored] = images[mirrored].flip(-1)
        labels = torch.from_numpy(self._labels[index.numpy()].astype("int64"))
        return images.flatten(1), labels


def training_files(name: str, data: Path | None) -> list[Path]:
    """Files that `open_problem` reads; none for 2-D laws."""
    spec = lookup(DATASETS, name, "data set")
    split = [f"{a}.npy" for a in ARRAYS if a.startswith("train")]
    return [Path(data) / spec.target / file for file in split] if spec.is_image else []


def open_problem(name: str, data: Path | None) -> Problem:
    """The problem called `name`; image sets are read from the folder `data/<target>`.

    Raises:
        NsgfError: unknown name, or the image set's files are missing or damaged.
    """
    spec = lookup(DATASETS, name, "data set")
    if spec.is_image:
        return ImageProblem(spec, Path(data) / spec.target)
    return PlanarProblem(spec)

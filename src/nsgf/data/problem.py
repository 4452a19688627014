"""A problem: where particles start and the law that they should reach, as flat points (n, d)."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nsgf.data import synthetic
from nsgf.data.arrays import load, to_unit
from nsgf.registry import DATASETS, Dataset, lookup
from nsgf.rng import Stream, stream


@dataclass(frozen=True)
class Minibatch:
    """Both ends of a minibatch flow.

    Attributes:
        x0: starting points, float32 (n, d). y: targets, float32 (n, d).
        chosen: for images, which training image each target is, int64 (n,), and whether it is
            mirrored, bool (n,); None for laws that are sampled afresh.
    """

    x0: Tensor
    y: Tensor
    chosen: tuple[Tensor, Tensor] | None = None


class Problem(Protocol):
    """What every data set offers to pools, training and metrics; points are float32 (n, d)."""

    shape: tuple[int, ...]  # of one point

    def source(self, n: int, numbers: Stream) -> Tensor:
        """`n` starting points."""

    def target(self, n: int, numbers: Stream) -> Tensor:
        """`n` training points."""

    def minibatch(self, n: int, seed: int, *names: object) -> Minibatch:
        """Both ends of a flow of `n` particles, from the stream `names` of `seed`."""

    def to(self, device: torch.device) -> "Problem":
        """The problem with its data on a device, for streams there: what they draw stays there."""


class PlanarProblem:
    """Laws of vectors; every draw is fresh."""

    def __init__(self, spec: Dataset):
        self.shape = spec.shape
        self._spec = spec

    def source(self, n: int, numbers: Stream) -> Tensor:
        if self._spec.source == "gaussian":
            return numbers.normal(n, math.prod(self.shape))
        return synthetic.sample(self._spec.source, n, numbers).to(numbers.device)

    def log_density(self, x: Tensor) -> Tensor:
        """Logarithm of the target's density at x (n, d), up to a constant, (n,)."""
        return synthetic.log_density(self._spec.target, x)

    def target(self, n: int, numbers: Stream) -> Tensor:
        return synthetic.sample(self._spec.target, n, numbers).to(numbers.device)

    def minibatch(self, n: int, seed: int, *names: object) -> Minibatch:
        numbers = stream(seed, *names)
        y = self.target(n, numbers)
        return Minibatch(self.source(n, numbers), y)

    def to(self, device: torch.device) -> "PlanarProblem":
        return self

    def target_iid(self, n: int, numbers: Stream) -> Tensor:
        """`n` independent draws of the target law."""
        return synthetic.sample_iid(self._spec.target, n, numbers)


class ImageProblem:
    """N(0, I) to training images in [-1, 1], flattened to (n, c * h * w)."""

    def __init__(self, spec: Dataset, folder: Path):
        self.shape = spec.shape
        self._flip = spec.flip
        self._images, self._labels = load(folder, "train")
        self._resident: tuple[Tensor, Tensor] | None = None

    def __len__(self) -> int:
        return len(self._images)

    def source(self, n: int, numbers: Stream) -> Tensor:
        return numbers.normal(n, math.prod(self.shape))

    def target(self, n: int, numbers: Stream) -> Tensor:
        return self.labelled(n, numbers)[0]

    def labelled(self, n: int, numbers: Stream) -> tuple[Tensor, Tensor]:
        """`n` training images drawn with replacement, and their labels (n,) int64."""
        index, mirrored = self._choose(n, numbers)
        if self._resident:
            labels = self._resident[1][index].long()
        else:
            labels = torch.from_numpy(self._labels[index.numpy()].astype("int64"))
        return self.images(index, mirrored), labels

    def to(self, device: torch.device) -> "ImageProblem":
        if device.type == "cpu":
            return self
        there = copy.copy(self)
        there._resident = self.pixels(device), torch.tensor(self._labels, device=device)
        return there

    def pixels(self, device: torch.device) -> Tensor:
        """All training images in a device's memory, uint8 (N, c, h, w)."""
        return self._resident[0] if self._resident else torch.tensor(self._images, device=device)

    def minibatch(self, n: int, seed: int, *names: object) -> Minibatch:
        chosen = self._choose(n, stream(seed, *names))
        return Minibatch(self.noise(range(n), seed, *names), self.images(*chosen), chosen)

    def images(self, index: Tensor, mirrored: Tensor) -> Tensor:
        """The training images `index`, mirrored where asked; float32 (n, d)."""
        taken = self._resident[0][index] if self._resident else self._images[index.numpy()]
        images = to_unit(taken)
        if self._flip:
            images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)
        return images.flatten(1)

    def mixed(self, n: int, owner, weights, index, mirrored) -> np.ndarray:
        """Row i: the sum of weights_k * image_k over all k that i owns; float32 (n, d).

        Args:
            n: rows.
            owner, weights, index, mirrored: arrays (k,): row, float32 factor, training image, and
                whether it is mirrored.
        """
        from nsgf.data.mixing import add_images

        out = np.zeros((n, math.prod(self.shape)), np.float32)
        add_images(out, owner, weights, self._images, index, mirrored)
        return out

    def noise(self, rows: Sequence[int], seed: int, *names: object) -> Tensor:
        """Rows of a minibatch's x0, float32 (len(rows), d); any row alone costs only itself."""
        return stream(seed, *names, "noise").normal_rows(rows, math.prod(self.shape))

    def _choose(self, n: int, numbers: Stream) -> tuple[Tensor, Tensor]:
        index = numbers.integers(len(self), n)
        if not self._flip:
            return index, torch.zeros(n, dtype=torch.bool, device=index.device)
        return index, numbers.uniform(n) < 0.5


def open_problem(name: str, data: Path | None) -> Problem:
    """The problem called `name`; image sets are read from the folder `data/<target>`.

    Raises:
        NsgfError: unknown name, or the image set's files are missing or damaged.
    """
    spec = lookup(DATASETS, name, "data set")
    if spec.is_image:
        return ImageProblem(spec, Path(data) / spec.target)
    return PlanarProblem(spec)


def problem_from(name: str, files: Sequence[Path] | None) -> Problem:
    """The problem called `name`, read from the files that a task lists for it.

    Raises:
        NsgfError: as `open_problem`.
    """
    images = [file for file in files or () if file.name == "train_images.npy"]
    return open_problem(name, images[0].parents[1] if images else None)

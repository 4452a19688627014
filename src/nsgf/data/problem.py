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

from nsgf.data import cloud, synthetic
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

    def in_units(self, x: Tensor) -> Tensor:
        """Points (..., d) as they are published, in data units."""


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

    def in_units(self, x: Tensor) -> Tensor:
        return x

    def standard(self, x: Tensor) -> Tensor:
        """Points in data units (..., d) as flows see them."""
        return x

    def start(self, x0: Tensor) -> Tensor:
        """Starting points (n, d) of one's own as flows see them."""
        return x0

    def test(self, n: int, numbers: Stream) -> Tensor:
        """`n` points that nothing has learnt from, as flows see them."""
        return self.target(n, numbers)

    def target_iid(self, n: int, numbers: Stream) -> Tensor:
        """`n` independent draws of the target law."""
        return synthetic.sample_iid(self._spec.target, n, numbers)


class CloudProblem:
    """N(0, I), or points of one's own, to a cloud of points, which are drawn with replacement.

    Args:
        points: of the cloud, in data units. source: starting points (m, *shape), in data units.
    """

    def __init__(self, points: cloud.Cloud, source: np.ndarray | None = None):
        self.shape = points.shape
        self._mean, self._scale = (
            torch.from_numpy(np.array(a)).flatten() for a in (points.mean, points.scale)
        )
        known = {"train": points.train, "test": points.test, "source": source}
        self._points = {
            name: self.standard(torch.from_numpy(np.array(x, np.float32)).flatten(1))
            for name, x in known.items()
            if x is not None
        }

    def source(self, n: int, numbers: Stream) -> Tensor:
        if "source" not in self._points:
            return numbers.normal(n, math.prod(self.shape))
        return self._drawn("source", n, numbers)

    def target(self, n: int, numbers: Stream) -> Tensor:
        return self._drawn("train", n, numbers)

    def minibatch(self, n: int, seed: int, *names: object) -> Minibatch:
        numbers = stream(seed, *names)
        y = self.target(n, numbers)
        return Minibatch(self.source(n, numbers), y)

    def to(self, device: torch.device) -> "CloudProblem":
        there = copy.copy(self)
        there._mean, there._scale = self._mean.to(device), self._scale.to(device)
        there._points = {name: x.to(device) for name, x in self._points.items()}
        return there

    def in_units(self, x: Tensor) -> Tensor:
        return x * self._scale.to(x.device) + self._mean.to(x.device)

    def standard(self, x: Tensor) -> Tensor:
        """Points in data units (..., d) as flows see them."""
        return (x - self._mean) / self._scale

    def start(self, x0: Tensor) -> Tensor:
        """Starting points (n, d) of one's own as flows see them."""
        return self.standard(x0) if "source" in self._points else x0

    def kept(self) -> dict[str, np.ndarray]:
        """What samples need: mean, scale and starting points of one's own (m, *shape)."""
        found = {"mean": self._mean, "scale": self._scale}
        if "source" in self._points:
            found["source"] = self.in_units(self._points["source"])
        return {n: x.unflatten(-1, self.shape).cpu().numpy() for n, x in found.items()}

    def test(self, n: int, numbers: Stream) -> Tensor:
        """`n` of the points that are held out, each at most once."""
        return self._some("test", n, numbers)

    def target_iid(self, n: int, numbers: Stream) -> Tensor:
        """`n` of the training points, each at most once while there are enough."""
        return self._some("train", n, numbers)

    def _drawn(self, name: str, n: int, numbers: Stream) -> Tensor:
        x = self._points[name]
        return x[numbers.integers(len(x), n)]

    def _some(self, name: str, n: int, numbers: Stream) -> Tensor:
        x = self._points[name]
        return x[numbers.permutation(len(x))[torch.arange(n, device=x.device) % len(x)]]


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

    def in_units(self, x: Tensor) -> Tensor:
        return x

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
    if spec.cloud:
        return CloudProblem(cloud.read(Path(spec.files[0]), spec.cloud.sha256))
    return PlanarProblem(spec)


def problem_from(name: str, files: Sequence[Path] | None) -> Problem:
    """The problem called `name`, read from the files that a task lists for it.

    Raises:
        NsgfError: as `open_problem`.
    """
    images = [file for file in files or () if file.name == "train_images.npy"]
    return open_problem(name, images[0].parents[1] if images else None)

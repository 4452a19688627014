"""A cloud of one's own points, in one .npz: what is learnt from, what is held out, and their units.

train, test   float32 (n, *shape), data units
mean, scale   float32 (*shape): networks and flows see (x - mean) / scale
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nsgf.artifact import atomic, readable, sha256_file
from nsgf.errors import NsgfError

MEND = "make it again: nsgf new NAME --data FILE"


@dataclass(frozen=True)
class Cloud:
    """The arrays of a cloud; the module's head says which."""

    train: np.ndarray
    test: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one point."""
        return self.mean.shape


def units(train: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale, float32 (*shape), by which points (n, *shape) are standardised.

    Args:
        how: each, by the standard deviation of each coordinate (1 where that is constant); one, by
            their root mean square, for coordinates of one kind such as pixels; none, not at all.
    """
    x = train.astype(np.float64)
    shape = x.shape[1:]
    if how == "none":
        return np.zeros(shape, np.float32), np.ones(shape, np.float32)
    spread = x.std(0)
    if how == "one":
        spread = np.full(shape, np.sqrt((spread**2).mean()))
    # Rounding leaves a constant column a deviation of about its size times 1e-16.
    constant = spread <= 1e-9 * np.abs(x).max(0)
    return x.mean(0).astype(np.float32), np.where(constant, 1, spread).astype(np.float32)


def write(path: Path, cloud: Cloud) -> None:
    """Write a cloud, whole or not at all."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **vars(cloud))


def read(path: Path, sha256: str | None = None) -> Cloud:
    """Read a cloud; `sha256` is what its bytes must have, where that is known.

    Raises:
        NsgfError: the file is missing, damaged or another one.
    """
    with readable(f"cloud '{path}'"):
        if sha256 and sha256_file(path) != sha256:
            raise NsgfError(f"'{path}' is not the file that the preset names", MEND)
        with np.load(path, allow_pickle=False) as file:
            cloud = Cloud(**{name: file[name] for name in Cloud.__annotations__})
        if cloud.train.shape[1:] != cloud.shape or cloud.test.shape[1:] != cloud.shape:
            raise ValueError(f"points of shape {cloud.train.shape[1:]}, units of {cloud.shape}")
    return cloud

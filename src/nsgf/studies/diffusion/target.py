"""The problems of this kind: Fokker-Planck equations that end at a Gaussian, another a training.

Training seed s of data set `gaussian-<d>` has a target of its own, so that an interval over
trainings is one over targets (arXiv:2110.10972 has five a dimension).
"""

from collections.abc import Callable

from torch import Tensor

from nsgf.jko.gaussian import Gaussian, random_target


def target_of(root: int, dataset: str, seed: int, d: int) -> Gaussian:
    """N(b, A^-1) of a training.

    Args:
        root: seed of the preset. dataset, seed: of the training. d: dimension.
    """
    return random_target(d, root, "target", dataset, seed)


def potential_of(target: Gaussian) -> Callable[[Tensor], Tensor]:
    """V(x) = (x - b)' A (x - b) / 2, (n, d) to (n,), in x's own precision."""
    mean, precision = target.mean, target.precision

    def potential(x: Tensor) -> Tensor:
        gap = x - mean.to(x)
        return ((gap @ precision.to(x)) * gap).sum(1) / 2

    return potential


def slope_of(target: Gaussian) -> Callable[[Tensor], Tensor]:
    """grad V(x) = A (x - b), (n, d) to (n, d)."""
    mean, precision = target.mean, target.precision
    return lambda x: (x - mean.to(x)) @ precision.to(x)

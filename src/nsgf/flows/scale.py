"""Blur and step size that fit a cloud, where nobody chose them.

A tenth of the target's spread comes near what the paper and we use: 0.5 for 8gaussians (spread 5.1;
in use 0.5), 1.5 for MNIST (14.5; 1), 2.8 for CIFAR-10 (27.5; 2).
"""

import math
from collections.abc import Sequence

from torch import Tensor

from nsgf.errors import NsgfError

SHARE = 0.1
LEFT = 0.03  # of the way to the target; NSGF of the paper has 0.7^10


def blur_for(y: Tensor) -> float:
    """A tenth of the spread of targets y (n, d), data units, two digits.

    The spread is the root mean square distance from the mean.
    """
    spread = float((y - y.mean(0)).double().square().sum(1).mean().sqrt())
    return float(f"{SHARE * spread:.2g}")


def for_each(
    given: float | Sequence[float], n_steps: int, what: str = "step sizes"
) -> tuple[float, ...]:
    """A value for every step, from one for all or one for each.

    Raises:
        NsgfError: there is no step, or not a value for each.
    """
    if n_steps < 1:
        raise NsgfError(f"a flow of {n_steps} steps has no state", "give n_steps of at least 1")
    values = tuple(given) if isinstance(given, Sequence) else (given,) * n_steps
    if len(values) != n_steps:
        raise NsgfError(f"{len(values)} {what} for {n_steps} steps", "give one, or one a step")
    return values


def step_size_for(steps: int, left: float = LEFT) -> float:
    """The step size eta by which `steps` steps leave a share of the way: (1 - eta)^steps = left.

    Exact for eps -> 0, where a particle's way to its target shrinks by 1 - eta a step; two digits.
    """
    return float(f"{1 - math.exp(math.log(left) / steps):.2g}")

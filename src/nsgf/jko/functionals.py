"""Functionals of measures; one of your own is a function from a Measure to a number.

F = functionals.total(potential(lambda x: x.square().sum(1) / 2), entropy)
"""

from collections.abc import Callable

import torch
from torch import Tensor

from nsgf.errors import NsgfError
from nsgf.jko.measure import Measure
from nsgf.ot.directions import directions
from nsgf.ot.sliced_gradient import sliced_wasserstein
from nsgf.rng import Stream

Functional = Callable[[Measure], Tensor]
PAIRS = 1 << 24  # of points whose interaction is held at a time


def total(*parts: Functional) -> Functional:
    """The sum of functionals."""
    return lambda mu: torch.stack([part(mu) for part in parts]).sum()


def scaled(factor: float, part: Functional) -> Functional:
    """A multiple of a functional."""
    return lambda mu: factor * part(mu)


def potential(v: Callable[[Tensor], Tensor]) -> Functional:
    """int V dmu; V is (n, d) to (n,)."""
    return lambda mu: mu.mean(v(mu.x))


def entropy(mu: Measure) -> Tensor:
    """int log rho dmu: the negative entropy, nats.

    Raises:
        NsgfError: the measure has no density.
    """
    if mu.log_density is None:
        raise NsgfError(
            "particles and plain networks have no entropy", "take a grid, or the network real_nvp"
        )
    return mu.mean(mu.log_density)


def interaction(
    w: Callable[[Tensor], Tensor], within: Callable[[Tensor], Tensor] | None = None
) -> Functional:
    """1/2 int int W(x - y) dmu dmu.

    Of points without masses, which stand for independent draws, the mean is over pairs of two. A
    mass of a grid is spread over its cell and meets itself there: left out, all of it would gather
    in one point, however much W repels.

    Args:
        w: W as a function of the squared distance, elementwise. within: its mean over two points
            of one cell as a function of the cell's volume, elementwise; 0 where it is not given.
    """

    def of(mu: Measure) -> Tensor:
        n, sums = len(mu.x), []
        for part in torch.arange(n, device=mu.x.device).split(max(1, PAIRS // n)):
            # By differences: exact where points are near.
            squares = (mu.x[part][:, None] - mu.x).square().sum(-1)
            itself = part[:, None] == torch.arange(n, device=part.device)
            # W and its slope may be infinite at 0: there it is asked elsewhere, and not used.
            values = w(squares.masked_fill(itself, 1.0))
            if mu.mass is None:
                sums.append(values.masked_fill(itself, 0.0).sum() / (n * (n - 1)))
            else:
                sums.append(mu.mass[part] @ values.masked_fill(itself, 0.0) @ mu.mass)
        if within and mu.mass is not None:
            cell = (mu.mass.log() - mu.log_density).exp()
            sums.append((mu.mass.square() * within(cell)).sum())
        return torch.stack(sums).sum() / 2

    return of


def sliced_distance(
    target: Callable[[int, Stream], Tensor], n: int, count: int, numbers: Stream
) -> Functional:
    """1/2 SW_2^2(mu, nu): nu by `n` points of `target`, over `count` directions, fresh always."""

    def of(mu: Measure) -> Tensor:
        y = target(n, numbers)
        theta = directions("random", count, y.shape[1], numbers)
        return sliced_wasserstein(mu.x, y, theta, mu.mass) / 2

    return of

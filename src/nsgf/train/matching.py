"""Regression on the straight interpolation, shared by every flow-matching method.

x_t = (1 - t) x_0 + t x_1, target x_1 - x_0, t ~ U(0, 1); the methods differ in how (x_0, x_1) is
paired.
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import mse_loss

from nsgf.rng import Stream
from nsgf.train.learner import Field, Objective

Pairs = Callable[[Stream], tuple[Tensor, Tensor]]


def interpolate(x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
    """(1 - t) x0 + t x1 for points (n, d) and times (n,)."""
    return x0 + t.unsqueeze(1) * (x1 - x0)


def straight_objective(pairs: Pairs) -> Objective:
    """Mean squared error against x_1 - x_0 on the segments that `pairs` draws."""

    def loss(net: Field, numbers: Stream, step: int) -> Tensor:
        x0, x1 = pairs(numbers)
        t = numbers.uniform(len(x0))
        at, target = interpolate(x0, x1, t), x1 - x0
        return mse_loss(net(at, t), target)

    return loss

"""Stochastic interpolant (Albergo, Vanden-Eijnden 2023), trigonometric, without noise.

x_t = cos(pi t / 2) x_0 + sin(pi t / 2) x_1, independent pairs; target its derivative in t,
(pi / 2) (cos(pi t / 2) x_1 - sin(pi t / 2) x_0). Mean squared error has the minimiser of their
E|v|^2 - 2 E v . d_t x_t, from which it differs by a constant.
"""

import math

from torch import Tensor
from torch.nn.functional import mse_loss

from nsgf.data.problem import Problem
from nsgf.train.learner import Objective

QUARTER = math.pi / 2  # of a turn


def trigonometric(x0: Tensor, x1: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """x_t and its derivative, each (n, d), for points (n, d) and times (n,)."""
    cos, sin = ((QUARTER * t).cos().unsqueeze(1), (QUARTER * t).sin().unsqueeze(1))
    return cos * x0 + sin * x1, QUARTER * (cos * x1 - sin * x0)


def objective(problem: Problem, pool: None, batch_size: int) -> Objective:
    """Regression on the curved paths."""

    def loss(net, numbers, step):
        x0, x1 = problem.source(batch_size, numbers), problem.target(batch_size, numbers)
        t = numbers.uniform(batch_size)
        at, target = trigonometric(x0, x1, t)
        return mse_loss(net(at, t), target)

    return loss

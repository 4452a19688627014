"""Particles of the Fokker-Planck equation by Euler and Maruyama, the cheap rival of any scheme."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nsgf.rng import Stream


def euler_maruyama(
    x: Tensor, slope: Callable[[Tensor], Tensor], step: float, count: int, numbers: Stream
) -> Tensor:
    """X - slope(X) dt + sqrt(2 dt) N(0, I), `count` times, (n, d).

    Args:
        x: starting points (n, d). slope: gradient of the potential, (n, d) to (n, d).
        step: dt, time.
    """
    for _ in range(count):
        x = x - step * slope(x) + math.sqrt(2 * step) * numbers.normal(*x.shape)
    return x


def kernel_density(points: Tensor, at: Tensor, rows: int = 512) -> Tensor:
    """Logarithm of a Gaussian kernel density estimate, (m,), with scipy's bandwidth, Scott's.

    Args:
        points: it is made of, (n, d). at: where, (m, d). rows: of `at` at a time.
    """
    n, d = points.shape
    points, at = points.double(), at.double()
    covariance = points.T.cov().reshape(d, d) * n ** (-2 / (d + 4))
    factor = torch.linalg.cholesky(covariance)
    white, asked = (torch.linalg.solve_triangular(factor, p.T, upper=False).T for p in (points, at))
    squares, found = white.square().sum(1) / 2, []
    for part in asked.split(rows):
        logits = part @ white.T - squares - part.square().sum(1, keepdim=True) / 2
        found.append(logits.logsumexp(1))
    constant = math.log(n) + d * math.log(2 * math.pi) / 2 + factor.diagonal().log().sum()
    return torch.cat(found) - constant

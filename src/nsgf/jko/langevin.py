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


def kernel_draw(points: Tensor, n: int, numbers: Stream) -> Tensor:
    """`n` draws of the law that has this density, (n, d): a point, and noise of the kernel."""
    chosen = points[numbers.integers(len(points), n)].double()
    noise = numbers.normal(n, points.shape[1]).double() @ _kernel(points).T
    return (chosen + noise).to(points)


def _kernel(points: Tensor) -> Tensor:
    """Cholesky factor of the kernel's covariance, (d, d) float64: Scott's rule."""
    n, d = points.shape
    return torch.linalg.cholesky(points.double().T.cov().reshape(d, d) * n ** (-2 / (d + 4)))


def kernel_density(points: Tensor, at: Tensor, rows: int = 512) -> Tensor:
    """Logarithm of a Gaussian kernel density estimate, (m,), with scipy's bandwidth, Scott's.

    Args:
        points: it is made of, (n, d). at: where, (m, d). rows: of `at` at a time.
    """
    n, d = points.shape
    points, at, factor = points.double(), at.double(), _kernel(points)
    white, asked = (torch.linalg.solve_triangular(factor, p.T, upper=False).T for p in (points, at))
    squares, found = white.square().sum(1) / 2, []
    for part in asked.split(rows):
        logits = part @ white.T - squares - part.square().sum(1, keepdim=True) / 2
        found.append(logits.logsumexp(1))
    constant = math.log(n) + d * math.log(2 * math.pi) / 2 + factor.diagonal().log().sum()
    return torch.cat(found) - constant

"""Kinds of problem on which a Sinkhorn solver may lose its accuracy, from a random stream each."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nsgf.rng import Stream

Pair = tuple[Tensor, Tensor]  # x (n, d) and y (m, d), float64


def _normal(s: Stream, n: int, d: int) -> Tensor:
    return s.normal(n, d).double()


def _cauchy(s: Stream, n: int, d: int) -> Tensor:
    """Student's t with one degree of freedom."""
    return _normal(s, n, d) / _normal(s, n, 1).abs().clamp_min(1e-4)


def _gaussians(s: Stream, n: int, count: int, radius: float, width: float) -> Tensor:
    angle = 2 * math.pi * s.integers(count, n).double() / count
    return radius * torch.stack([angle.cos(), angle.sin()], -1) + width * _normal(s, n, 2)


def _plain(d: int, n: int = 120, m: int = 120, shift: float = 1.0) -> Callable[[Stream], Pair]:
    return lambda s: (_normal(s, n, d), _normal(s, m, d) + shift / math.sqrt(d))


def _scaled(pair: Callable[[Stream], Pair], factor: float) -> Callable[[Stream], Pair]:
    return lambda s: tuple(factor * cloud for cloud in pair(s))


def _moved(pair: Callable[[Stream], Pair], offset: float) -> Callable[[Stream], Pair]:
    return lambda s: tuple(cloud + offset for cloud in pair(s))


def _far_clusters(gap: float, share: int) -> Callable[[Stream], Pair]:
    """Two clusters `gap` apart that hold unequal shares of either cloud: some mass must cross."""

    def pair(s: Stream) -> Pair:
        x, y = _normal(s, 120, 2), _normal(s, 120, 2)
        x[:60, 0] += gap
        y[: 60 + share, 0] += gap
        return x, y

    return pair


def _nested(s: Stream) -> Pair:
    """Clusters within clusters, three scales."""
    x, y = (
        _gaussians(s, 120, 3, 30.0, 0) + _gaussians(s, 120, 3, 1.0, 0) + 0.03 * _normal(s, 120, 2)
        for _ in range(2)
    )
    return x, y


def _duplicates(s: Stream) -> Pair:
    x, y = _normal(s, 12, 3), _normal(s, 10, 3)
    return x[s.integers(12, 120)], y[s.integers(10, 150)]


def _outlier(distance: float) -> Callable[[Stream], Pair]:
    def pair(s: Stream) -> Pair:
        x, y = _normal(s, 120, 2), _normal(s, 120, 2)
        x[0] += distance
        y[0, 0] -= distance
        return x, y

    return pair


def _line(s: Stream) -> Pair:
    """Collinear in five dimensions."""
    way = _normal(s, 1, 5)
    return s.normal(120, 1).double() * way, (s.normal(100, 1).double() ** 3) * way


def _lattice(s: Stream) -> Pair:
    side = torch.arange(11).double()
    grid = torch.cartesian_prod(side, side)
    return grid, grid + 0.5 * (s.integers(3, *grid.shape).double() - 1)


def _close(gap: float) -> Callable[[Stream], Pair]:
    def pair(s: Stream) -> Pair:
        y = _normal(s, 120, 2)
        return y + gap * _normal(s, 120, 2), y

    return pair


def _images(s: Stream) -> Pair:
    """Noise, and smooth positive patterns of low rank, as images are; d = 784."""
    bumps = _normal(s, 12, 784).cumsum(-1) / 28
    return _normal(s, 100, 784), (_normal(s, 100, 12).abs() @ bumps / 12).clamp(-1, 1)


KINDS: dict[str, Callable[[Stream], Pair]] = {
    "normal, d = 1": _plain(1),
    "normal, d = 2": _plain(2),
    "normal, d = 20": _plain(20),
    "normal, d = 300": _plain(300, 80, 80),
    "normal, d = 3072": _plain(3072, 60, 60),
    "images, d = 784": _images,
    "8 gaussians": lambda s: (_normal(s, 128, 2), _gaussians(s, 128, 8, 4.0, 0.3)),
    "ragged, 17 to 150": _plain(3, 17, 150),
    "ragged, 150 to 7": _plain(3, 150, 7),
    "one particle": _plain(2, 1, 50),
    "one target": _plain(2, 50, 1),
    "scale 1e-3": _scaled(_plain(2), 1e-3),
    "scale 1e3": _scaled(_plain(2), 1e3),
    "offset 1e4": _moved(_plain(2), 1e4),
    "offset 1e5": _moved(_plain(2), 1e5),
    "offset 1e5, d = 300": _moved(_plain(300, 80, 80), 1e5),
    "clouds 1e3 apart": _plain(2, shift=1e3),
    "Cauchy, d = 1": lambda s: (_cauchy(s, 120, 1), _cauchy(s, 120, 1)),
    "Cauchy, d = 2": lambda s: (_cauchy(s, 120, 2), _cauchy(s, 120, 2)),
    "Cauchy, d = 5": lambda s: (_cauchy(s, 120, 5), _cauchy(s, 120, 5)),
    "normal to Cauchy, d = 5": lambda s: (_normal(s, 120, 5), _cauchy(s, 120, 5)),
    "log-normal, d = 3": lambda s: tuple((1.5 * _normal(s, 120, 3)).exp() for _ in range(2)),
    "far clusters, equal": _far_clusters(30, 0),
    "far clusters, 1 crosses": _far_clusters(30, 1),
    "far clusters, 20 cross": _far_clusters(100, 20),
    "nested clusters": _nested,
    "outlier 30 away": _outlier(30),
    "outlier 1e3 away": _outlier(1e3),
    "duplicates": _duplicates,
    "all points equal": lambda s: (torch.zeros(60, 2).double(), torch.ones(60, 2).double()),
    "collinear": _line,
    "lattice with ties": _lattice,
    "x within .1 of y": _close(0.1),
    "x within 1e-3 of y": _close(1e-3),
    "x equals y": _close(0.0),
}

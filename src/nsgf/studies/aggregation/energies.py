"""The energies F(mu) = 1/2 int int W(x - y) dmu dmu + int V dmu, and where they end.

ring      W = |x|^4 / 4 - |x|^2 / 2           a circle of radius 1 / sqrt 3
disk      W = |x|^2 / 2 - log |x|             the uniform law of the unit disk
annulus   the same, and V = -log |x| / 4      the uniform law of 1/2 <= |x| <= sqrt 5 / 2

Repulsion by -log |x| in the plane makes |x|^2 / 2 a uniform density 1 / pi; the drift is the field
of a charge 1/4 at 0, which keeps a disk of that area free (arXiv:2110.10972). Where there is a
drift the end is a stationary state and no minimum: a cloud that leaves 0 as a whole keeps its
interaction, and V falls without bound. What is not centred by symmetry leaves in the end.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from nsgf.jko.functionals import Functional, interaction, potential, total
from nsgf.rng import Stream

# Means over two points of a unit square: of the logarithm of their distance, its square and fourth
# power.
LOG, SQUARE, FOURTH = (4 * math.pi + 4 * math.log(2) - 25) / 12, 1 / 3, 2 / 15 + 1 / 18
TINY = 1e-12  # squared data units: the drift's logarithm at 0 is no number


@dataclass(frozen=True)
class Energy:
    """An energy and its end.

    Attributes:
        functional: F. least: F of the end, without a drift the least there is.
        radius: root of its mean |x|^2 about its centre.
        centred: whether that is 0; else it stays where it was.
        draw: n points of it, (n, 2).
    """

    functional: Functional
    least: float
    radius: float
    draw: Callable[[int, Stream], Tensor]
    centred: bool = False


def _between(inner: float, outer: float) -> Callable[[int, Stream], Tensor]:
    """The uniform law of an annulus, by its squared radii."""

    def draw(n: int, numbers: Stream) -> Tensor:
        square = inner + (outer - inner) * numbers.uniform(n)
        angle = 2 * math.pi * numbers.uniform(n)
        return square.sqrt()[:, None] * _circle(angle)

    return draw


def _circle(angle: Tensor) -> Tensor:
    import torch

    return torch.stack([angle.cos(), angle.sin()], 1)


def _on_circle(radius: float) -> Callable[[int, Stream], Tensor]:
    return lambda n, numbers: radius * _circle(2 * math.pi * numbers.uniform(n))


def _repel(square: Tensor) -> Tensor:
    return square / 2 - square.log() / 2


def _repel_within(cell: Tensor) -> Tensor:
    return cell * SQUARE / 2 - cell.log() / 2 - LOG


def _ring(square: Tensor) -> Tensor:
    return square.square() / 4 - square / 2


def _ring_within(cell: Tensor) -> Tensor:
    return cell.square() * FOURTH / 4 - cell * SQUARE / 2


def _drift(x: Tensor) -> Tensor:
    return -(x.square().sum(1) + TINY).log() / 8


def _annulus_least() -> float:
    """Of u = |x|^2, uniform on [1/4, 5/4]; max of two of them has density 2 (u - 1/4).

    1/2 E|x - y|^2 / 2 = E u / 2; of log |x - y| around a circle the mean is log of the larger
    radius, so that 1/2 E(-log |x - y|) = -1/4 E log max(u, u'); E V = -1/8 E log u.
    """

    def primitive(u: float, first: float, second: float) -> float:
        """Of (first u + second) log u."""
        log = math.log(u)
        return first * (u * u / 2 * log - u * u / 4) + second * (u * log - u)

    ends = (1.25, 0.25)
    larger = primitive(ends[0], 2, -0.5) - primitive(ends[1], 2, -0.5)
    plain = primitive(ends[0], 0, 1) - primitive(ends[1], 0, 1)
    return 0.75 / 2 - larger / 4 - plain / 8


ENERGIES = {
    "ring": Energy(
        interaction(_ring, _ring_within),
        -1 / 12,
        1 / math.sqrt(3),
        _on_circle(1 / math.sqrt(3)),
    ),
    "disk": Energy(interaction(_repel, _repel_within), 3 / 8, math.sqrt(1 / 2), _between(0.0, 1.0)),
    "annulus": Energy(
        total(interaction(_repel, _repel_within), potential(_drift)),
        _annulus_least(),
        math.sqrt(3 / 4),
        _between(0.25, 1.25),
        centred=True,
    ),
}

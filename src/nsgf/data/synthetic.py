"""Two-dimensional laws, by the formulas and scales of the code that the paper follows.

Sampler (a batch as torchcfm or its runner would draw it):

8gaussians    5 (cos k pi/4, sin k pi/4) + N(0, sqrt(0.1) I), k uniform. torchcfm passes sqrt(0.1)
              as a *covariance*, so the standard deviation is 0.1^(1/4) = 0.562.
moons         3 p - 1, p on the arcs (cos a, sin a) and (1 - cos a, 1/2 - sin a), a on a regular
              grid of [0, pi], plus one U[0, 0.2) shift a point on both coordinates.
              Not i.i.d.: the grid makes two batches more alike than chance would.
scurve        1.5 ((sin a, sign(a) (cos a - 1)) + 0.05 N), a = 3 pi (U - 1/2).
checkerboard  2 (a, b), a = 4 U - 2, b = U' - 2 Bernoulli(1/2) + (floor(a) mod 2): FFJORD's.
gaussian      N(0, I), the source of every data set but 8gaussians-moons.

A law can also be a module of its own, named by its path, with a function `sample(n, numbers)`
that draws independently.

`sample` draws as above; `sample_iid` draws independently from the same law, which differs from
`sample` for moons only, where the angle is uniform instead of on a grid.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nsgf.errors import NsgfError
from nsgf.registry import is_module, lookup, module_of
from nsgf.rng import Stream


def gaussian(n: int, numbers: Stream) -> Tensor:
    """N(0, I) in the plane, (n, 2)."""
    return numbers.normal(n, 2)


def eight_gaussians(n: int, numbers: Stream) -> Tensor:
    """Eight Gaussians on a circle of radius 5, (n, 2)."""
    angle = numbers.integers(8, n) * (math.pi / 4)
    centre = 5 * torch.stack([angle.cos(), angle.sin()], 1)
    return centre + 0.1**0.25 * numbers.normal(n, 2)


def moons(n: int, numbers: Stream) -> Tensor:
    """Two moons on a regular grid of angles, (n, 2)."""
    outer = n // 2
    arcs = (torch.linspace(0, math.pi, k, device=numbers.device) for k in (outer, n - outer))
    angle = torch.cat(tuple(arcs))
    return _moons(angle, outer, numbers.uniform(n, 1))


def moons_iid(n: int, numbers: Stream) -> Tensor:
    """Two moons at independent uniform angles, (n, 2)."""
    outer = int((numbers.uniform(n) < 0.5).sum())
    angle = math.pi * numbers.uniform(n)
    return _moons(angle, outer, numbers.uniform(n, 1))


def _moons(angle: Tensor, outer: int, uniform: Tensor) -> Tensor:
    first = torch.stack([angle.cos(), angle.sin()], 1)[:outer]
    second = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], 1)[outer:]
    return 3 * (torch.cat([first, second]) + 0.2 * uniform) - 1


def s_curve(n: int, numbers: Stream) -> Tensor:
    """The s-curve of scikit-learn seen from the side, (n, 2)."""
    angle = 3 * math.pi * (numbers.uniform(n) - 0.5)
    curve = torch.stack([angle.sin(), angle.sign() * (angle.cos() - 1)], 1)
    return 1.5 * (curve + 0.05 * numbers.normal(n, 2))


def checkerboard(n: int, numbers: Stream) -> Tensor:
    """FFJORD's checkerboard on [-4, 4]^2, (n, 2)."""
    a = 4 * numbers.uniform(n) - 2
    b = numbers.uniform(n) - 2 * numbers.integers(2, n)
    return 2 * torch.stack([a, b + a.floor() % 2], 1)


Sampler = Callable[[int, Stream], Tensor]

SAMPLERS: dict[str, Sampler] = {
    "gaussian": gaussian,
    "8gaussians": eight_gaussians,
    "moons": moons,
    "scurve": s_curve,
    "checkerboard": checkerboard,
}
IID: dict[str, Sampler] = SAMPLERS | {"moons": moons_iid}


def sample(name: str, n: int, numbers: Stream) -> Tensor:
    """A batch of law `name` as its reference sampler draws it, float32 (n, 2), data units.

    Raises:
        NsgfError: unknown name.
    """
    return _sampler(SAMPLERS, name)(n, numbers)


def sample_iid(name: str, n: int, numbers: Stream) -> Tensor:
    """`n` independent draws of law `name`, float32 (n, 2), data units."""
    return _sampler(IID, name)(n, numbers)


def log_density(name: str, x: Tensor) -> Tensor:
    """Logarithm of a law's density, up to a constant, at x (n, d); (n,).

    Raises:
        NsgfError: the law is known by its samples only.
    """
    if is_module(name) and hasattr(module_of(name), "log_density"):
        return module_of(name).log_density(x)
    raise NsgfError(
        f"law '{name}' has no density", "take a method that needs samples alone, or write one"
    )


def _sampler(table: dict[str, Sampler], name: str) -> Sampler:
    if not is_module(name):
        return lookup(table, name, "2-D law")
    if not hasattr(module_of(name), "sample"):
        raise NsgfError(
            f"law '{name}' cannot be sampled: it has a density alone",
            "take a method that needs no samples of the target, or write `sample(n, numbers)`",
        )
    return module_of(name).sample

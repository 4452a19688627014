"""Known changes of the plane's laws: a shift, and mass moved from one component to its neighbour.

Components, and the map from the first to its neighbour, which keeps a component's own law:

8gaussians    Gaussians of the ring: from the one at angle 0 to the next, by a shift
moons         the two arcs: from the upper to the lower, by the reflection that swaps them
scurve        the halves of the curve, angle below and above 0: by reflection in the origin
checkerboard  squares: from the one right above the origin to the next on its diagonal, by a shift
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nsgf.rng import Stream

Place = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Component:
    """A part of a law: which points (n, 2) are its, (n,) bool; where each goes, (n, 2)."""

    holds: Place
    moved: Place
    mass: float  # of the law


def _eight() -> Component:
    angle = torch.tensor([0.0, math.pi / 4])
    centres = 5 * torch.stack([angle.cos(), angle.sin()], 1)
    half = math.pi / 8
    return Component(
        lambda y: torch.atan2(y[:, 1], y[:, 0]).abs() < half,
        lambda y: y + centres[1] - centres[0],
        1 / 8,
    )


def _upper_moon(y: Tensor) -> Tensor:
    """Arcs in units of the radius: (cos a, sin a) and (1 - cos a, 1/2 - sin a), each plus up to .2
    along the diagonal, which moves points of both alike: the nearer circle's centre tells them."""
    p = (y + 1) / 3 - 0.1
    near = [(p - torch.tensor(c)).norm(dim=1).sub(1).abs() for c in ([0.0, 0.0], [1.0, 0.5])]
    above = [p[:, 1] > -0.15, p[:, 1] < 0.65]
    far = torch.full_like(near[0], 9.0)
    upper, lower = (torch.where(ok, d, far) for ok, d in zip(above, near, strict=True))
    return upper < lower


COMPONENTS: dict[str, Component] = {
    "8gaussians": _eight(),
    "moons": Component(_upper_moon, lambda y: torch.tensor([1.6, 0.1]) - y, 1 / 2),
    "scurve": Component(lambda y: y[:, 1] < 0, torch.neg, 1 / 2),
    "checkerboard": Component(lambda y: ((y >= 0) & (y < 2)).all(1), lambda y: y + 2.0, 1 / 8),
}


def shifted(y: Tensor, by: float) -> Tensor:
    """Points moved by a length along the diagonal, data units."""
    return y + by / math.sqrt(2)


def moved_mass(law: str, y: Tensor, share: float, numbers: Stream) -> Tensor:
    """Points of a law of whose whole mass a share has gone to the neighbouring component."""
    part = COMPONENTS[law]
    chosen = part.holds(y) & (numbers.uniform(len(y)) < share / part.mass)
    return torch.where(chosen.unsqueeze(1), part.moved(y), y)

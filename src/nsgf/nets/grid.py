"""Masses on a square grid, stored as a network."""

import math
from typing import ClassVar, Literal

from pydantic import Field

from nsgf.config.net import NetModel


class Config(NetModel):
    """Masses on side x side points of a square about 0."""

    ROLE: ClassVar[str] = "measure"
    kind: Literal["grid"] = "grid"
    side: int = Field(default=50, ge=2)
    """Points along a side, count."""
    half: float = Field(default=1.0, gt=0)
    """Half of the square's side, data units."""
    spread: float = Field(default=0.25, gt=0)
    """Standard deviation of the masses at first, data units."""

    def check(self, shape: tuple[int, ...]) -> None:
        """It lies in the plane.

        Raises:
            ValueError: points have another shape.
        """
        if math.prod(shape) != 2:
            raise ValueError("grid is for the plane")


def build(config: Config, shape: tuple[int, ...]):
    """`points` (side^2, 2), `logits` (side^2,) and `cell`; called with z (n, 2) it draws n points.

    A point of the grid is chosen by z's first coordinate, of a standard normal z by its mass.
    """
    import torch
    from torch import Tensor, nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            step = 2 * config.half / config.side
            axis = -config.half + step * (torch.arange(config.side) + 0.5)
            points = torch.cartesian_prod(axis, axis)
            self.register_buffer("points", points, persistent=False)
            self.cell = step**2
            self.logits = nn.Parameter(-points.square().sum(1) / (2 * config.spread**2))

        def forward(self, z: Tensor) -> Tensor:
            ends = self.logits.double().softmax(0).cumsum(0)
            at = torch.searchsorted(ends, torch.special.ndtr(z[:, 0].double()).contiguous())
            return self.points[at.clamp(max=len(self.points) - 1)]

    return Net()

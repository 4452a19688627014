"""A cloud of points that is stored as a network: particles, or what they leave behind."""

import math
from typing import ClassVar, Literal

from pydantic import Field

from nsgf.config.net import NetModel


class Config(NetModel):
    """Points, from N(0, spread^2 I) at first."""

    ROLE: ClassVar[str] = "measure"
    kind: Literal["points"] = "points"
    count: int = Field(default=1000, ge=1)
    """Points, count."""
    spread: float = Field(default=1.0, gt=0)
    """Standard deviation at first, data units."""

    def check(self, shape: tuple[int, ...]) -> None:
        """They are points of any shape."""


def build(config: Config, shape: tuple[int, ...]):
    """`x` (count, d); called with z (n, d) it draws n of them.

    Which ones is told by z's first coordinate: of a standard normal z they are uniform.
    """
    import torch
    from torch import Tensor, nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.x = nn.Parameter(config.spread * torch.randn(config.count, math.prod(shape)))

        def forward(self, z: Tensor) -> Tensor:
            place = torch.special.ndtr(z[:, 0].double()) * config.count
            return self.x[place.long().clamp(0, config.count - 1)]

    return Net()

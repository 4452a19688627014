"""A plain generator: noise to points, without a density."""

import itertools
import math
from typing import ClassVar, Literal

from pydantic import Field

from nsgf.config.net import NetModel


class Config(NetModel):
    """x = spread z + MLP(z): at first N(0, spread^2 I)."""

    ROLE: ClassVar[str] = "measure"
    kind: Literal["generator"] = "generator"
    width: int = Field(default=64, ge=1)
    """Units of a hidden layer, count."""
    depth: int = Field(default=3, ge=1)
    """Hidden layers, count."""
    spread: float = Field(default=0.25, gt=0)
    """Standard deviation of the points at first, data units."""

    def check(self, shape: tuple[int, ...]) -> None:
        """It makes points of any shape."""


def build(config: Config, shape: tuple[int, ...]):
    """x from z, (n, d) to (n, d)."""
    from torch import Tensor, nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            d = math.prod(shape)
            widths, layers = [d] + [config.width] * config.depth, []
            for before, after in itertools.pairwise(widths):
                layers += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
            last = nn.Linear(widths[-1], d)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.layers = nn.Sequential(*layers, last)

        def forward(self, z: Tensor) -> Tensor:
            return config.spread * z + self.layers(z)

    return Net()

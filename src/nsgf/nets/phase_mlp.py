"""The phase-transition time predictor of NSGF++ for points that are no images."""

import itertools
import math
from typing import Literal

from pydantic import Field

from nsgf.config.net import NetModel


class Config(NetModel):
    """Multi-layer perceptron with a sigmoid; ours, since the paper has NSGF++ for images alone."""

    ROLE = "time"
    kind: Literal["phase_mlp"] = "phase_mlp"
    width: int = Field(default=128, ge=1)
    """Units of a hidden layer, count."""
    depth: int = Field(default=2, ge=1)
    """Hidden layers, count."""

    def check(self, shape: tuple[int, ...]) -> None:
        """It reads points of any shape."""


def build(config: Config, shape: tuple[int, ...]):
    """t(x): x (n, d) to (n,) in (0, 1)."""
    from torch import Tensor, nn

    widths, layers = [math.prod(shape)] + [config.width] * config.depth, []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.SiLU()]

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(*layers, nn.Linear(config.width, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.layers(x).squeeze(1).float().sigmoid()

    return Net()

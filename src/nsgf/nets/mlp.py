"""Multi-layer perceptron on (x, t): the fields of point clouds."""

import itertools
import math
from typing import Literal

from pydantic import Field

from nsgf.config.net import NetModel


class Config(NetModel):
    """Multi-layer perceptron on (x, t)."""

    kind: Literal["mlp"] = "mlp"
    width: int = Field(default=256, ge=1)
    """Units of a hidden layer, count."""
    depth: int = Field(default=3, ge=1)
    """Hidden layers, count."""
    activation: Literal["selu", "relu", "silu"] = "selu"
    """Between layers; torchcfm's 2-D networks use SELU."""

    def check(self, shape: tuple[int, ...]) -> None:
        """It reads points of any shape."""


def build(config: Config, shape: tuple[int, ...]):
    """v(x, t): x (n, d) and t (n,) to (n, d); t is appended to x as it is."""
    import torch
    from torch import Tensor, nn

    activation = {"selu": nn.SELU, "relu": nn.ReLU, "silu": nn.SiLU}[config.activation]

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            d = math.prod(shape)
            widths = [d + 1] + [config.width] * config.depth
            layers = []
            for before, after in itertools.pairwise(widths):
                layers += [nn.Linear(before, after), activation()]
            self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], d))

        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            return self.layers(torch.cat([x, t.unsqueeze(1)], 1))

    return Net()

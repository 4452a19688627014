"""A scalar potential h(x) by a multi-layer perceptron, and the field -step_size grad h(x)."""

import itertools
import math
from typing import Literal

from pydantic import Field

from nsgf.config.net import NetModel


class Config(NetModel):
    """Multi-layer perceptron with one output, whose gradient moves points."""

    kind: Literal["potential_mlp"] = "potential_mlp"
    width: int = Field(default=256, ge=1)
    """Units of a hidden layer, count."""
    depth: int = Field(default=3, ge=1)
    """Hidden layers, count."""
    activation: Literal["selu", "relu", "silu"] = "relu"
    """Between layers; EPT's 2-D code has ReLU."""
    step_size: float = Field(default=1.0, gt=0)
    """Length of a step along the negative gradient, data units a unit of gradient."""

    def check(self, shape: tuple[int, ...]) -> None:
        """It reads points of any shape."""


def build(config: Config, shape: tuple[int, ...]):
    """`height(x)`: x (n, d) to (n,); called with x and t (n,), of which t plays no part, the field
    (n, d), data units."""
    import torch
    from torch import Tensor, nn

    activation = {"selu": nn.SELU, "relu": nn.ReLU, "silu": nn.SiLU}[config.activation]
    widths, layers = [math.prod(shape)] + [config.width] * config.depth, []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), activation()]

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

        def height(self, x: Tensor) -> Tensor:
            return self.layers(x).squeeze(1)

        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            with torch.enable_grad():
                at = x.detach().requires_grad_()
                (slope,) = torch.autograd.grad(self.height(at).sum(), at)
            return -config.step_size * slope

    return Net()

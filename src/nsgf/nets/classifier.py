"""A small image classifier: its penultimate layer is the feature space of `fd_classifier`.

Three strided convolutions, so that a pass is cheap on a CPU; 156,154 parameters on 28 x 28 x 1.
"""

import math
from typing import Literal

from pydantic import Field

from nsgf.config.net import NetModel

WIDTHS = (16, 32, 64)
FEATURES = 128


class Config(NetModel):
    """The small classifier whose features measure MNIST samples."""

    ROLE = "classes"
    kind: Literal["classifier"] = "classifier"
    classes: int = Field(default=10, ge=2)
    """Classes, count."""


def build(config: Config, shape: tuple[int, int, int]):
    """Logits of an image; x is flat (n, c * h * w) or (n, c, h, w), float32 in [-1, 1]."""
    from torch import Tensor, nn

    def halving(channels: int, out: int, kernel: int = 3) -> tuple[nn.Module, ...]:
        """Convolution to half the side, normalised over the batch, rectified."""
        convolution = nn.Conv2d(channels, out, kernel, stride=2, padding=kernel // 2, bias=False)
        return convolution, nn.BatchNorm2d(out), nn.ReLU()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            channels, height, width = shape
            first, second, third = WIDTHS
            places = math.ceil(height / 8) * math.ceil(width / 8)
            self.trunk = nn.Sequential(
                *halving(channels, first, kernel=5),
                *halving(first, second),
                *halving(second, third),
                nn.Flatten(),
                nn.Linear(third * places, FEATURES),
                nn.ReLU(),
            )
            self.head = nn.Linear(FEATURES, config.classes)

        def features(self, x: Tensor) -> Tensor:
            """Penultimate activations, (n, 128), >= 0."""
            return self.trunk(x.reshape(len(x), *shape))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.features(x))

    return Net()

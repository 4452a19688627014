"""A small image classifier: its penultimate layer is the feature space of `fd_classifier`.

Three strided convolutions, so that a pass is cheap on a CPU; 156,154 parameters on 28 x 28 x 1.
"""

import math

from torch import Tensor, nn

from nsgf.config.train import ClassifierNet

WIDTHS = (16, 32, 64)
FEATURES = 128


class Net(nn.Module):
    """Logits of an image; x is flat (n, c * h * w) or (n, c, h, w), float32 in [-1, 1]."""

    def __init__(self, config: ClassifierNet, shape: tuple[int, int, int]):
        super().__init__()
        self.shape = tuple(shape)
        channels, height, width = self.shape
        first, second, third = WIDTHS
        places = math.ceil(height / 8) * math.ceil(width / 8)
        self.trunk = nn.Sequential(
            *_halving(channels, first, kernel=5),
            *_halving(first, second),
            *_halving(second, third),
            nn.Flatten(),
            nn.Linear(third * places, FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, config.classes)

    def features(self, x: Tensor) -> Tensor:
        """Penultimate activations, (n, 128), >= 0."""
        return self.trunk(x.reshape(len(x), *self.shape))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def _halving(channels: int, out: int, kernel: int = 3) -> tuple[nn.Module, ...]:
    """Convolution to half the side, normalised over the batch, rectified."""
    convolution = nn.Conv2d(channels, out, kernel, stride=2, padding=kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(out), nn.ReLU()

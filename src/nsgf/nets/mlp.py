"""Multi-layer perceptron on (x, t): the 2-D velocity fields."""

import itertools
import math

import torch
from torch import Tensor, nn

from nsgf.config.train import MLPNet

ACTIVATIONS = {"selu": nn.SELU, "relu": nn.ReLU, "silu": nn.SiLU}


class Net(nn.Module):
    """v(x, t): x (n, d) and t (n,) to (n, d); t is appended to x as it is."""

    def __init__(self, config: MLPNet, shape: tuple[int, ...]):
        super().__init__()
        d = math.prod(shape)
        widths = [d + 1] + [config.width] * config.depth
        layers = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), ACTIVATIONS[config.activation]()]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], d))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.layers(torch.cat([x, t.unsqueeze(1)], 1))

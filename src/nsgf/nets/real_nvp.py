"""RealNVP (Dinh et al. 2017): an invertible map with the logarithm of its volume change."""

import itertools
import math
from typing import ClassVar, Literal

from pydantic import Field

from nsgf.config.net import NetModel


class Config(NetModel):
    """RealNVP: affine couplings, each moving half of the coordinates by what the others say."""

    ROLE: ClassVar[str] = "map"
    kind: Literal["real_nvp"] = "real_nvp"
    couplings: int = Field(default=5, ge=2)
    """Affine couplings, count; halves take turns."""
    width: int = Field(default=100, ge=1)
    """Units of a hidden layer, count."""
    depth: int = Field(default=2, ge=1)
    """Hidden layers of a coupling's scale and shift, count."""

    def check(self, shape: tuple[int, ...]) -> None:
        """A coupling needs two coordinates.

        Raises:
            ValueError: points have one.
        """
        if math.prod(shape) < 2:
            raise ValueError("real_nvp couples coordinates: points need two or more")


def build(config: Config, shape: tuple[int, ...]):
    """x, log |det dx/dz| from z: (n, d) to (n, d) and (n,); the identity at first, with `inverse`.

    Scales are exp(c tanh(s)), c learnt: they cannot overflow.
    """
    import torch
    from torch import Tensor, nn

    class Coupling(nn.Module):
        def __init__(self, d: int, odd: bool):
            super().__init__()
            order = torch.cat([torch.arange(odd, d, 2), torch.arange(not odd, d, 2)])
            self.register_buffer("order", order, persistent=False)
            self.register_buffer("back", order.argsort(), persistent=False)
            self.still = len(range(odd, d, 2))
            moved = d - self.still
            widths = [self.still, *[config.width] * config.depth]
            layers = []
            for before, after in itertools.pairwise(widths):
                layers += [nn.Linear(before, after), nn.ReLU()]
            last = nn.Linear(config.width, 2 * moved)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.layers = nn.Sequential(*layers, last)
            self.reach = nn.Parameter(torch.ones(moved))

        def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            """What stays, what moves, the logarithm of its scale, and its shift."""
            x = x[:, self.order]
            still, moved = x[:, : self.still], x[:, self.still :]
            scale, shift = self.layers(still).chunk(2, 1)
            return still, moved, self.reach * scale.tanh(), shift

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            still, moved, scale, shift = self.parts(x)
            out = torch.cat([still, moved * scale.exp() + shift], 1)
            return out[:, self.back], scale.sum(1)

        def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
            still, moved, scale, shift = self.parts(x)
            out = torch.cat([still, (moved - shift) * (-scale).exp()], 1)
            return out[:, self.back], -scale.sum(1)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            d = math.prod(shape)
            self.couplings = nn.ModuleList(
                Coupling(d, bool(k % 2)) for k in range(config.couplings)
            )

        def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
            return self._through(z, [c.forward for c in self.couplings])

        def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
            """z and log |det dz/dx| from x."""
            return self._through(x, [c.inverse for c in reversed(self.couplings)])

        def _through(self, x: Tensor, steps) -> tuple[Tensor, Tensor]:
            volume = x.new_zeros(len(x))
            for step in steps:
                x, change = step(x)
                volume = volume + change
            return x, volume

    return Net()

"""Input-convex network (Amos et al. 2017) with quadratic skip connections (Korotin et al. 2021).

u(x) = |L x|^2 / 2 + delta |x|^2 / 2 + w' z_D, z_{i+1} = softplus(p_i),
p_i = W_i z_i + (V_i x)^2 + A_i x + b_i with W, w >= 0: a convex function whose gradient is an
optimal transport map. The gradient and the Hessian are written out: with g = du/dz,

grad^2 u = L'L + delta I + sum_i sum_k g_ik (softplus''(p_ik) grad p_ik grad p_ik'
           + softplus'(p_ik) 2 V_ik V_ik'),

so that autograd runs once where it would run three times.
"""

import math
from typing import ClassVar, Literal

from pydantic import Field

from nsgf.config.net import NetModel


class Config(NetModel):
    """Input-convex network with quadratic skip connections; near |x|^2 / 2 at first."""

    ROLE: ClassVar[str] = "convex"
    kind: Literal["icnn"] = "icnn"
    width: int = Field(default=64, ge=1)
    """Units of a hidden layer, count."""
    depth: int = Field(default=2, ge=1)
    """Hidden layers, count."""
    convexity: float = Field(default=0.01, ge=0)
    """delta: the least eigenvalue of its Hessian."""

    def check(self, shape: tuple[int, ...]) -> None:
        """It reads points of any shape."""


def build(config: Config, shape: tuple[int, ...]):
    """u(x): (n, d) to (n,), with `gradient`, `derivatives` and `clamp`."""
    import torch
    from torch import Tensor, nn
    from torch.nn.functional import softplus

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            d, width = math.prod(shape), config.width
            self.root = nn.Parameter(math.sqrt(max(1 - config.convexity, 0)) * torch.eye(d))
            self.linear = nn.ModuleList(nn.Linear(d, width) for _ in range(config.depth))
            self.square = nn.ModuleList(
                nn.Linear(d, width, bias=False) for _ in range(config.depth)
            )
            self.positive = nn.ParameterList(
                nn.Parameter(torch.rand(width, width) / width) for _ in range(config.depth - 1)
            )
            self.out = nn.Parameter(1e-3 * torch.rand(width))

        def clamp(self) -> None:
            """Make it convex again after an update: weights that must not be negative become 0."""
            with torch.no_grad():
                for weight in (*self.positive, self.out):
                    weight.clamp_(min=0)

        def forward(self, x: Tensor) -> Tensor:
            z = None
            for k in range(config.depth):
                z = softplus(self._before(k, x, z))
            quadratic = (x @ self.root.T).square().sum(1) + config.convexity * x.square().sum(1)
            return quadratic / 2 + z @ self.out

        def gradient(self, x: Tensor) -> Tensor:
            """The gradient at x alone, (n, d): the map itself."""
            z, before = None, []
            for k in range(config.depth):
                before.append(self._before(k, x, z))
                z = softplus(before[-1])
            found = (x @ self.root.T) @ self.root + config.convexity * x
            g = self.out
            for k in reversed(range(config.depth)):
                turn = g * torch.sigmoid(before[k])
                found = found + turn @ self.linear[k].weight
                found = found + (2 * turn * self.square[k](x)) @ self.square[k].weight
                g = turn @ self.positive[k - 1] if k else g
            return found

        def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor]:
            """The gradient (n, d) and the Hessian (n, d, d) at x, differentiable in the weights."""
            z, slope, before, slopes = None, None, [], []
            for k in range(config.depth):
                p = self._before(k, x, z)
                # grad p, (n, width, d)
                rise = 2 * self.square[k](x)[:, :, None] * self.square[k].weight
                rise = rise + self.linear[k].weight
                if slope is not None:
                    rise = rise + torch.einsum("ij,njd->nid", self.positive[k - 1], slope)
                z, slope = softplus(p), torch.sigmoid(p)[:, :, None] * rise
                before.append(p)
                slopes.append(rise)
            d = x.shape[1]
            eye = config.convexity * torch.eye(d, dtype=x.dtype, device=x.device)
            base = self.root.T @ self.root + eye
            gradient = x @ base + torch.einsum("k,nkd->nd", self.out, slope)
            hessian = base.expand(len(x), d, d)
            g = self.out.expand(len(x), -1)
            for k in reversed(range(config.depth)):
                s = torch.sigmoid(before[k])
                bend, turn = g * s * (1 - s), g * s
                scaled = bend[:, :, None] * slopes[k]
                hessian = hessian + scaled.mT @ slopes[k]
                v = self.square[k].weight
                hessian = hessian + 2 * torch.einsum("nk,kd,ke->nde", turn, v, v)
                if k:
                    g = turn @ self.positive[k - 1]
            return gradient, hessian

        def _before(self, k: int, x: Tensor, z: Tensor | None) -> Tensor:
            p = self.square[k](x).square() + self.linear[k](x)
            return p if z is None else p + z @ self.positive[k - 1].T

    return Net()

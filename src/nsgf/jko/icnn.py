"""JKO with input-convex networks (Mokrov et al. 2021), the rival of the sliced scheme.

rho_{k+1} = grad u # rho_k for the convex u that minimises

E |grad u(x) - x|^2 / (2 tau) + E V(grad u(x)) - E log det grad^2 u(x), x from rho_k,

which is W_2^2 / (2 tau) + F up to a constant for F = int V + int rho log rho: by Brenier's theorem
gradients of convex functions are the optimal maps. Points of rho_k are drawn through all earlier
maps, so that a step costs more the later it is.
"""

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nsgf.errors import NsgfError
from nsgf.rng import Stream

INVERSE = 1e-5  # |grad u(y) - x| of an inverse, relative to 1 + |x|
STEPS = 100  # of Newton's method for one


class JKOICNN:
    """Convex potentials, one a step.

    Args:
        net: u of the first step (nsgf.nets.icnn), near |x|^2 / 2; each later one starts from the
            one before. d: dimension. v: the potential V, (n, d) to (n,).
        tau: step size in time. inner: updates a step. batch: points an update. lr: Adam's rate.
    """

    def __init__(
        self,
        net: nn.Module,
        d: int,
        v: Callable[[Tensor], Tensor],
        tau: float,
        inner: int,
        batch: int = 1024,
        lr: float = 1e-3,
    ):
        self.maps: list[nn.Module] = []
        self.net, self._d, self._v, self._tau, self._inner = net, d, v, tau, inner
        self._batch, self._lr = batch, lr
        self._optimiser = self._fresh()

    def update(self, k: int, numbers: Stream) -> dict[str, Tensor]:
        """Update number k, from 0: of step k // inner. Returns: the loss."""
        if k % self._inner == 0 and k:
            self.maps.append(copy.deepcopy(self.net).requires_grad_(False))
            self._optimiser = self._fresh()
        x = through(self.maps, numbers.normal(self._batch, self._d))
        moved, hessian = self.net.derivatives(x)
        loss = (moved - x).square().sum(1) / (2 * self._tau) + self._v(moved)
        loss = (loss - torch.linalg.slogdet(hessian)[1]).mean()
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self.net.clamp()
        return {"loss": loss.detach()}

    def finish(self) -> None:
        """Count the present map among those that are done."""
        self.maps.append(copy.deepcopy(self.net).requires_grad_(False))

    def draw(self, n: int, numbers: Stream, steps: int | None = None) -> Tensor:
        """`n` points after so many steps, by default all that are done, (n, d)."""
        return through(self.maps[:steps], numbers.normal(n, self._d))

    def log_density(self, x: Tensor, steps: int | None = None) -> Tensor:
        """At x (n, d) after so many steps, (n,), by inverting their maps.

        Raises:
            NsgfError: a map could not be inverted.
        """
        return log_density(self.maps[:steps], x)

    def state_dict(self) -> dict:
        """What `load_state_dict` goes on from, bit for bit."""
        return {
            "maps": [net.state_dict() for net in self.maps],
            "net": self.net.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Take up what `state_dict` gave."""
        self.maps = [copy.deepcopy(self.net).requires_grad_(False) for _ in state["maps"]]
        for net, weights in zip(self.maps, state["maps"], strict=True):
            net.load_state_dict(weights)
        self.net.load_state_dict(state["net"])
        self._optimiser = self._fresh()
        self._optimiser.load_state_dict(state["optimiser"])

    def _fresh(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.net.parameters(), lr=self._lr)


@torch.no_grad()
def through(maps: Sequence[nn.Module], x: Tensor) -> Tensor:
    """Points x (n, d) through the gradients of convex potentials, one after the other."""
    for net in maps:
        x = net.gradient(x)
    return x


@torch.no_grad()
def log_density(maps: Sequence[nn.Module], x: Tensor) -> Tensor:
    """At x (n, d), of N(0, I) through the gradients of convex potentials, (n,) float64.

    Raises:
        NsgfError: a map could not be inverted.
    """
    x, volume = x.double(), torch.zeros(len(x), dtype=torch.float64, device=x.device)
    for net in reversed(maps):
        exact = copy.deepcopy(net).double()
        x = inverse(exact, x)
        volume = volume - torch.linalg.slogdet(exact.derivatives(x)[1])[1]
    return volume - (x.square().sum(1) + x.shape[1] * math.log(2 * math.pi)) / 2


@torch.no_grad()
def inverse(net: nn.Module, x: Tensor) -> Tensor:
    """y with grad u(y) = x, (n, d): the minimum of u(y) - <x, y>, by damped Newton steps.

    Raises:
        NsgfError: it was not found.
    """
    net, goal = copy.deepcopy(net).double(), x.double()
    y, size = goal.clone(), 1 + goal.norm(dim=1)
    for _ in range(STEPS):
        gradient, hessian = net.derivatives(y)
        slope = gradient - goal
        if bool((slope.norm(dim=1) <= INVERSE * size).all()):
            return y.to(x)
        step = -torch.linalg.solve(hessian, slope)
        value, fall = net(y) - (goal * y).sum(1), (slope * step).sum(1)
        length = torch.ones(len(y), dtype=y.dtype, device=y.device)
        for _ in range(30):
            tried = y + length[:, None] * step
            higher = net(tried) - (goal * tried).sum(1) > value + 1e-4 * length * fall
            # At the end a fall is smaller than the value's last digit.
            higher &= fall.abs() > 1e-12 * (1 + value.abs())
            if not bool(higher.any()):
                break
            length = torch.where(higher, length / 2, length)
        y = y + length[:, None] * step
    raise NsgfError(
        "a map of JKO-ICNN could not be inverted", "give its network more convexity (delta)"
    )

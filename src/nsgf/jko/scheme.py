"""The sliced proximal scheme (SW-JKO, arXiv:2110.10972).

mu_{k+1} = argmin SW_2^2(mu, mu_k) / (2 tau) + F(mu) over a family of measures, by `inner` updates
that start from mu_k. Both measures are drawn anew for each update. Drawn from the same noise
(`common`), the distance is 0 with slope 0 where nothing has moved; from noises of their own, as we
read the paper, the distance of two sets of n points is never 0, and its slope pulls inwards by
O(1 / n).
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nsgf.errors import NsgfError
from nsgf.jko.functionals import Functional
from nsgf.jko.measure import Particles
from nsgf.ot.directions import directions
from nsgf.ot.sliced_gradient import sliced_wasserstein
from nsgf.rng import Stream


@dataclass(frozen=True)
class Proximal:
    """What a proximal step is taken with.

    Attributes:
        tau: step size in time. inner: updates a step, count.
        batch: points that are drawn an update, count; families that hold points take all.
        count: directions an update, count. kind: of directions (nsgf.ot.directions).
        lr: Adam's rate; of particles the part of the way to each point's own minimum, where only
            the distance holds it back.
        common: whether both measures are drawn from the same noise.
    """

    tau: float
    inner: int
    batch: int = 1024
    count: int = 1000
    kind: str = "random"
    lr: float = 1e-3
    common: bool = True


class SlicedJKO:
    """A family on its way.

    Args:
        family: whose present member is mu_0. functional: F.
        proximal: settings.
    """

    def __init__(self, family: nn.Module, functional: Functional, proximal: Proximal):
        self.family, self._functional, self._proximal = family, functional, proximal
        self._before = copy.deepcopy(family)
        self._optimiser = self._fresh()
        self.steps = 0  # proximal steps that are done

    def update(self, k: int, numbers: Stream) -> dict[str, Tensor]:
        """Update number k, from 0: of proximal step k // inner.

        Returns: the functional and the distance, SW_2^2, at the update's start.

        Raises:
            NsgfError: the functional is no number.
        """
        proximal = self._proximal
        if k % proximal.inner == 0:
            self._before.load_state_dict(self.family.state_dict())
            self._optimiser = self._fresh()
        noise = [copy.copy(numbers), numbers] if proximal.common else [numbers, numbers]
        with torch.no_grad():
            before = self._before.draw(proximal.batch, noise[0])
        mu = self.family.draw(proximal.batch, noise[1])
        theta = directions(proximal.kind, proximal.count, mu.x.shape[1], numbers)
        gap = sliced_wasserstein(mu.x, before.x, theta, mu.mass, before.mass)
        value = self._functional(mu)
        if not bool(torch.isfinite(value)):
            raise NsgfError(
                f"the functional is {value.item()} after {k} updates of the sliced scheme",
                "take a smaller tau or lr, or see where the potential is infinite",
            )
        self._optimiser.zero_grad()
        (gap / (2 * proximal.tau) + value).backward()
        self._optimiser.step()
        self.steps = (k + 1) // proximal.inner
        return {"functional": value.detach(), "distance": gap.detach()}

    def state_dict(self) -> dict:
        """What `load_state_dict` goes on from, bit for bit."""
        return {
            "family": self.family.state_dict(),
            "before": self._before.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict) -> None:
        """Take up what `state_dict` gave."""
        self.family.load_state_dict(state["family"])
        self._before.load_state_dict(state["before"])
        self._optimiser = self._fresh()
        self._optimiser.load_state_dict(state["optimiser"])
        self.steps = state["steps"]

    def _fresh(self) -> torch.optim.Optimizer:
        parameters, lr = list(self.family.parameters()), self._proximal.lr
        if not isinstance(self.family, Particles):
            return torch.optim.Adam(parameters, lr=lr)
        # Of n points, J's second derivative is I / (n d tau) by the distance alone: with this rate
        # one update at lr 1 ends where the distance's slope balances that of F.
        n, d = self.family.x.shape
        return torch.optim.SGD(parameters, lr=lr * n * d * self._proximal.tau)

"""How wrong training targets are: a solver's velocities against exact ones, along an exact flow.

With v* the velocity of a problem's exact flow at its k-th state, |.| over all n particles, and v
what a solver returns at that state in float32:

relative   |v - v*| / |v*|
bias       |mean(v - v*)| / (|v*| / sqrt(n)), the part of the error that all particles share
cosine     <v, v*> / (|v| |v*|)
gain       <v, v*> / |v*|^2, below 1 where velocities are too short

Regression averages errors without a common direction; a bias and a gain it learns.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from nsgf.config.pool import SOLVERS, Flow
from nsgf.flows.sinkhorn import sinkhorn_flow
from nsgf.ot.sinkhorn import velocity

EXACT_TOL = 1e-8  # relative error of the exact velocities
PROTOCOL = (
    f"float32 against the same problem in float64 to a relative error of {EXACT_TOL:g}, at the"
    " states of the exact flow"
)


@dataclass(frozen=True)
class Setting:
    """A solver as a pool would use it; scaling is None for one that converges to its tolerance."""

    backend: str
    scaling: float | None = None


@dataclass(frozen=True)
class Errors:
    """The errors of one setting, (T,) each, at the states before each step."""

    relative: Tensor
    bias: Tensor
    cosine: Tensor
    gain: Tensor

    def as_lists(self) -> dict[str, list[float]]:
        """For JSON."""
        return {name: values.tolist() for name, values in asdict(self).items()}


def settings_of(scalings: Sequence[float]) -> list[Setting]:
    """GeomLoss at each scaling, and our solver."""
    annealed, ours = SOLVERS
    return [*(Setting(annealed, s) for s in scalings), Setting(ours)]


def target_errors(x0: Tensor, y: Tensor, flow: Flow, settings: Sequence[Setting]) -> list[Errors]:
    """Errors of every setting along the exact flow of one minibatch problem.

    Args:
        x0: starting particles, (n, d), data units.
        y: target samples, (m, d).
        flow: blur, step size and number of steps; its backend plays no part.
        settings: solvers, in float32 at their default tolerance; one that takes a start gets its
            own last potential, as in a flow.

    Returns:
        Errors of each setting, in their order, float64 on the CPU.

    Raises:
        NotConverged: the exact flow, or a solver that converges, did not.
    """
    exact = sinkhorn_flow(
        x0.double(), y.double(), flow.blurs, flow.sizes, flow.steps, tol=EXACT_TOL
    )
    return [_compare(_velocities(exact.x, y, flow, s), exact.v) for s in settings]


def _velocities(states: Tensor, y: Tensor, flow: Flow, setting: Setting) -> Tensor:
    """What `setting` returns at each state, (T, n, d)."""
    options = {} if setting.scaling is None else {"scaling": setting.scaling}
    found, start = [], None
    for x, eta, blur in zip(states, flow.sizes, flow.blurs, strict=True):
        step = velocity(x.float(), y.float(), blur, backend=setting.backend, start=start, **options)
        if step.potential is not None:
            start = (1 - eta) * step.potential
        found.append(step.v)
    return torch.stack(found)


def _compare(v: Tensor, exact: Tensor) -> Errors:
    v, exact = v.double().cpu(), exact.cpu()
    error, n, both = v - exact, exact.shape[1], (1, 2)
    length = exact.square().sum(both).sqrt()
    along = (v * exact).sum(both) / length
    return Errors(
        relative=error.square().sum(both).sqrt() / length,
        bias=error.mean(1).square().sum(-1).sqrt() * n**0.5 / length,
        cosine=along / v.square().sum(both).sqrt(),
        gain=along / length,
    )

"""The trajectory that errors are measured along: float64, potentials converged and checked.

Our solver's potentials are the start. They are checked, and where need be mended, by code that
shares nothing with it: soft minima in torch, and Newton steps through the eigenvectors of the
semi-dual's Hessian, which also move clusters of points that hardly exchange mass. Mended further,
to rounding, the velocities of all cases but the two costly ones moved by less than 1e-9.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nsgf.errors import NotConverged
from nsgf.ops.bench.cases import Case
from nsgf.ot.coupling import half_squared_distance
from nsgf.ot.newton import solve, solve_symmetric

RESIDUAL = 1e-9  # of the fixed point, largest entry, units of the cost
MARGINAL = 1e-10
MAX_MENDING = 20


@dataclass(frozen=True)
class Reference:
    """The flow in float64, the batch axis absent for a single problem.

    Attributes:
        x: states before each step, (T, ..., n, d), data units. v: velocities there, same shape.
        y: targets, (..., n, d).
        residual: largest |g - softmin f| of any potential of any step, units of the cost.
    """

    x: Tensor
    v: Tensor
    y: Tensor
    residual: float


def reference(case: Case, x0: Tensor, y: Tensor) -> Reference:
    """Follow the flow from x0 (..., n, d) to y with potentials at their fixed points.

    Raises:
        NotConverged: a potential misses its fixed point by more than RESIDUAL.
    """
    shape, eps = x0.shape, case.blur**2
    x = x0.double().reshape(-1, *shape[-2:])
    targets = y.double().reshape(-1, *y.shape[-2:])
    xs, vs, start, worst = [], [], None, 0.0
    for _ in range(case.n_steps):
        across, start, a = _across(x, targets, eps, start)
        within, b = _within(x, eps)
        worst = max(worst, a, b)
        if not worst <= RESIDUAL:
            raise NotConverged(
                f"a reference potential misses its fixed point by {worst:.1e}, over {RESIDUAL:.0e}",
                "take a larger blur",
            )
        xs.append(x)
        vs.append(across - within)
        start, x = (1 - case.step_size) * start, x + case.step_size * vs[-1]
    along = (len(xs), *shape)
    return Reference(torch.stack(xs).view(along), torch.stack(vs).view(along), y.double(), worst)


def _across(x: Tensor, y: Tensor, eps: float, start: Tensor | None) -> tuple[Tensor, Tensor, float]:
    """Projection of x on y, potential g on y, residual."""
    cost = half_squared_distance(x - x.mean(-2, keepdim=True), y - y.mean(-2, keepdim=True))
    g, found = _mend(
        solve(cost, eps, MARGINAL, start).g,
        lambda g: _softmin(cost.mT, _softmin(cost, g, eps), eps) - g,
        lambda g: g + _newton_step(cost, g, eps),
    )
    return _project(cost, g, eps, y), g, found


def _within(x: Tensor, eps: float) -> tuple[Tensor, float]:
    """Projection of x on itself, residual."""
    cost = half_squared_distance(x, x)
    cost.diagonal(dim1=-2, dim2=-1).zero_()
    f, found = _mend(
        solve_symmetric(cost, eps, MARGINAL).f,
        lambda f: _softmin(cost, f, eps) - f,
        lambda f: (f + _softmin(cost, f, eps)) / 2,
    )
    return _project(cost, f, eps, x), found


def _mend(potential: Tensor, gap: Callable, better: Callable) -> tuple[Tensor, float]:
    """`better` until `gap` is within RESIDUAL; the last potential and its residual."""
    for _ in range(MAX_MENDING):
        if float(gap(potential).abs().max()) <= RESIDUAL:
            break
        potential = better(potential)
    return potential, float(gap(potential).abs().max())


def _softmin(cost: Tensor, g: Tensor, eps: float) -> Tensor:
    """-eps log mean_j exp((g_j - cost_ij) / eps), (B, n)."""
    logits = (g.unsqueeze(-2) - cost) / eps
    return -eps * (torch.logsumexp(logits, -1) - math.log(cost.shape[-1]))


def _newton_step(cost: Tensor, g: Tensor, eps: float) -> Tensor:
    """Newton's step on the semi-dual, without the directions in which it does not curve."""
    plan = torch.softmax((g.unsqueeze(-2) - cost) / eps, -1)
    n, m = cost.shape[-2:]
    column = plan.mean(-2)
    hessian = torch.diag_embed(column) - plan.mT @ plan / n
    curvature, directions = torch.linalg.eigh(hessian)
    slope = (directions.mT @ (1 / m - column).unsqueeze(-1)).squeeze(-1)
    curved = curvature > 1e-13 * curvature[..., -1:]
    along = torch.where(curved, slope / curvature.clamp_min(1e-300), 0)
    return eps * (directions @ along.unsqueeze(-1)).squeeze(-1).clamp(-1, 1)


def _project(cost: Tensor, g: Tensor, eps: float, y: Tensor) -> Tensor:
    return torch.softmax((g.unsqueeze(-2) - cost) / eps, -1) @ y

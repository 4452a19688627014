"""Our solver as a backend: clouds in, displacements out.

Each cloud is centred on its own mean. With delta the difference of the means, |x - y|^2 / 2 changes
by terms in x or y alone and by |delta|^2 / 2: the plan stays, and neither clouds that lie far apart
nor those far from the origin lose digits.

On a CPU clouds in few dimensions never become a matrix (`nsgf.ot.kernels.across`).
"""

import torch
from torch import Tensor

from nsgf.ot.coupling import FEW_DIMENSIONS, Coupling, half_squared_distance
from nsgf.ot.error import Bound, moments
from nsgf.ot.newton import (
    loops_for,
    solve,
    solve_cloud,
    solve_clouds,
    solve_symmetric,
    without_rest,
)


def across(x: Tensor, y: Tensor, blur: float, fine: Tensor, start: Tensor | None, **_) -> Coupling:
    """The plan between x (B, n, d) and y (B, m, d); `start` is an earlier `potential`."""
    of = solve_clouds if _is_small(x) else _across_matrices
    moved, g, found = of(x, y, blur**2, fine, start)
    return _coupling(x, blur, moved, found, potential=g)


def within(x: Tensor, blur: float, fine: Tensor, masked: bool = False, **_) -> Coupling:
    """The plan of x (B, n, d) with itself; `masked`: in which no point keeps mass."""
    if masked:
        return _coupling(x, blur, *_masked(x, blur**2, fine))
    moved, found = (solve_cloud if _is_small(x) else _within_matrix)(x, blur**2, fine)
    return _coupling(x, blur, moved, found, symmetric=True)


def _is_small(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.shape[-1] <= FEW_DIMENSIONS


def _coupling(x, blur, moved, found, potential=None, symmetric=False) -> Coupling:
    """From error, passes, semi-dual value and moments, (B, 9)."""
    error, about = found[:, 0], found[:, 3:]
    return Coupling(
        displacement=moved,
        cost=found[:, 2],
        marginal_error=error,
        about=about,
        bound=Bound.of(x, blur**2, about, error, symmetric),
        iterations=int(found[:, 1].max()),
        potential=potential,
    )


def _across_matrices(x, y, eps, fine, start):
    to, at = x.mean(-2, keepdim=True), y.mean(-2, keepdim=True)
    x0, y0 = x - to, y - at
    plan = solve(half_squared_distance(x0, y0), eps, fine, start)
    apart = (to - at).double()
    # Of clouds that are centred but for the rounding of their means.
    rest = apart / 2 + x0.mean(-2, keepdim=True) - y0.mean(-2, keepdim=True)
    cost = plan.f.mean(-1) + plan.g.mean(-1) + (rest * apart).sum((-1, -2))
    projection = loops_for(x).project(plan.plan, y0)
    moved = projection - x0 + (at - to)
    return moved, plan.g, _found(plan, cost, projection, x0, y0)


def _within_matrix(x, eps, fine):
    x0 = x - x.mean(-2, keepdim=True)
    cost = half_squared_distance(x0, x0)
    cost.diagonal(dim1=-2, dim2=-1).zero_()  # rounding leaves some
    plan = solve_symmetric(cost, eps, fine)
    moving = without_rest(plan.plan)
    projection = x0 if moving is None else loops_for(x).project(moving, x0)
    return projection - x0, _found(plan, 2 * plan.f.mean(-1), projection, x0, x0)


def _masked(x, eps, fine):
    x0 = x - x.mean(-2, keepdim=True)
    cost = half_squared_distance(x0, x0)
    # More than any two potentials together, whatever outliers there are.
    cost.diagonal(dim1=-2, dim2=-1).copy_(4 * cost.amax((-2, -1)).unsqueeze(-1) + 1e3 * eps)
    plan = solve(cost, eps, fine, None)
    projection = loops_for(x).project(plan.plan, x0)
    value = plan.f.mean(-1) + plan.g.mean(-1)
    return projection - x0, _found(plan, value, projection, x0, x0)


def _found(solution, cost, projection, x, y) -> Tensor:
    """What `nsgf.ot.kernels.across` tells of clouds."""
    squares = (points.square().sum(-1) for points in (projection, x, y))
    passes = torch.full_like(cost, solution.iterations)
    first = torch.stack((solution.error, passes, cost), -1)
    return torch.cat((first, moments(solution.plan, *squares)), -1)

"""Our solver as a backend: clouds in, projections out.

Each cloud is centred on its own mean. With delta the difference of the means, |x - y|^2 / 2 changes
by terms in x or y alone and by |delta|^2 / 2: the plan stays, and clouds that lie far apart lose no
digits.
"""

import torch
from torch import Tensor

from nsgf.ot.coupling import Coupling
from nsgf.ot.newton import loops_for, solve, solve_symmetric


def across(x: Tensor, y: Tensor, blur: float, tol: float, start: Tensor | None, **_) -> Coupling:
    """The plan between x (B, n, d) and y (B, m, d); `start` is an earlier `potential`."""
    to, at = x.mean(-2, keepdim=True), y.mean(-2, keepdim=True)
    y0, loops = y - at, loops_for(x)
    found = solve(loops.half_squared_distance(x - to, y0), blur**2, tol, start)
    shift = (to - at).double().square().sum((-1, -2)) / 2
    return Coupling(
        projection=loops.project(found.plan, y0) + at,
        cost=found.f.mean(-1) + found.g.mean(-1) + shift,
        marginal_error=found.error,
        iterations=found.iterations,
        potential=found.g,
    )


def within(x: Tensor, blur: float, tol: float, **_) -> Coupling:
    """The plan of x (B, n, d) with itself."""
    at = x.mean(-2, keepdim=True)
    x0, loops = x - at, loops_for(x)
    cost = loops.half_squared_distance(x0, x0)
    cost.diagonal(dim1=-2, dim2=-1).zero_()  # rounding leaves some
    found = solve_symmetric(cost, blur**2, tol)
    # Where eps is tiny against all distances every point keeps its mass: no product is needed.
    stays = bool((1 - found.plan.diagonal(dim1=-2, dim2=-1) < torch.finfo(x.dtype).eps).all())
    return Coupling(
        projection=x if stays else loops.project(found.plan, x0) + at,
        cost=2 * found.f.mean(-1),
        marginal_error=found.error,
        iterations=found.iterations,
    )

"""Our solver as a backend: clouds in, displacements out.

Each cloud is centred on its own mean. With delta the difference of the means, |x - y|^2 / 2 changes
by terms in x or y alone and by |delta|^2 / 2: the plan stays, and neither clouds that lie far apart
nor those far from the origin lose digits.
"""

from torch import Tensor

from nsgf.ot.coupling import Coupling
from nsgf.ot.error import Bound
from nsgf.ot.newton import loops_for, solve, solve_symmetric, without_rest


def across(x: Tensor, y: Tensor, blur: float, fine: Tensor, start: Tensor | None, **_) -> Coupling:
    """The plan between x (B, n, d) and y (B, m, d); `start` is an earlier `potential`."""
    to, at = x.mean(-2, keepdim=True), y.mean(-2, keepdim=True)
    x0, y0, loops = x - to, y - at, loops_for(x)
    found = solve(loops.half_squared_distance(x0, y0), blur**2, fine, start)
    apart = (to - at).double()
    # Of clouds that are centred but for the rounding of their means.
    rest = apart / 2 + x0.mean(-2, keepdim=True) - y0.mean(-2, keepdim=True)
    projection = loops.project(found.plan, y0)
    about = loops.moments(found.plan, projection, x0, y0)
    return Coupling(
        displacement=projection - x0 + (at - to),
        cost=found.f.mean(-1) + found.g.mean(-1) + (rest * apart).sum((-1, -2)),
        marginal_error=found.error,
        about=about,
        bound=Bound.of(found.plan, blur**2, about, found.error),
        iterations=found.iterations,
        potential=found.g,
    )


def within(x: Tensor, blur: float, fine: Tensor, **_) -> Coupling:
    """The plan of x (B, n, d) with itself."""
    x0, loops = x - x.mean(-2, keepdim=True), loops_for(x)
    cost = loops.half_squared_distance(x0, x0)
    cost.diagonal(dim1=-2, dim2=-1).zero_()  # rounding leaves some
    found = solve_symmetric(cost, blur**2, fine)
    plan = without_rest(found.plan)
    projection = x0 if plan is None else loops.project(plan, x0)
    about = loops.moments(found.plan, projection, x0, x0)
    return Coupling(
        displacement=projection - x0,
        cost=2 * found.f.mean(-1),
        marginal_error=found.error,
        about=about,
        bound=Bound.of(found.plan, blur**2, about, found.error, symmetric=True),
        iterations=found.iterations,
    )

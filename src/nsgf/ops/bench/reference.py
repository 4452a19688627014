"""The trajectory that errors are measured along: float64, potentials converged and checked.

Our solver's potentials are what is checked; plans, velocities and the check come from the dual's
definition in torch (`nsgf.ot.coupling.couple`), which shares no iteration with it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nsgf.errors import NotConverged
from nsgf.ops.bench.cases import Case
from nsgf.ot.coupling import couple, half_squared_distance
from nsgf.ot.newton import solve, solve_symmetric

RESIDUAL = 1e-9  # of the fixed point, largest entry, units of the cost
MARGINAL = 1e-11


@dataclass(frozen=True)
class Reference:
    """The flow in float64, the batch axis absent for a single problem.

    Attributes:
        x: states before each step, (T, ..., n, d), data units. v: velocities there, same shape.
        y: targets, (..., n, d).
        residual: bound on |g - softmin softmin g| of any potential of any step, units of the cost.
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
    eps, n = case.blur**2, y.shape[-2]
    x, targets = (points.double().reshape(-1, *points.shape[-2:]) for points in (x0, y))
    xs, vs, start, worst = [], [], None, 0.0
    for _ in range(case.n_steps):
        itself = half_squared_distance(x, x)
        itself.diagonal(dim1=-2, dim2=-1).zero_()
        start = solve(half_squared_distance(x, targets), eps, MARGINAL, start).g
        across = couple(x, targets, start, case.blur)
        within = couple(x, x, solve_symmetric(itself, eps, MARGINAL).f, case.blur)
        # softmin softmin g is g - eps log(n columns), and no column is off by more than all are.
        error = torch.maximum(across.marginal_error, within.marginal_error)
        residual = float(eps * n * error.max())
        if not residual <= RESIDUAL:
            what = f"a reference potential misses its fixed point by {residual:.1e}"
            raise NotConverged(f"{what}, over {RESIDUAL:.0e}", "take a larger blur")
        worst = max(worst, residual)
        xs.append(x)
        vs.append(across.projection - within.projection)
        start, x = (1 - case.step_size) * start, x + case.step_size * vs[-1]
    along = (len(xs), *x0.shape)
    return Reference(torch.stack(xs).view(along), torch.stack(vs).view(along), y.double(), worst)

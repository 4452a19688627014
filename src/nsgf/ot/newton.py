"""Entropic potentials by Newton's method on the semi-dual, followed down in eps.

The semi-dual of W_eps in the potential g on the target is concave, its gradient is the error of the
plan's column marginal, and a Newton step costs a few passes over the plan (`nsgf.ot.kernels`).
Far from the optimum the step is too long, so each potential moves by at most `clip` eps, and a cold
start begins at an eps at which the problem is easy and halves it while the error stays below
`follow`: about one step for each halving.

Along a flow the last potential, scaled by 1 - eta, is nearly right: on a Wasserstein geodesic the
displacement left, and with it the potential's gradient, shrinks by just this factor.
"""

from dataclasses import replace
from types import ModuleType

import torch
from torch import Tensor
from torch.nn.functional import threshold_

from nsgf.ot.schedule import FLOOR, LOST, TINY, Schedule, Solution

MAX_FIXED_POINT = 80


def solve(cost: Tensor, eps: float, fine: Tensor, start: Tensor | None = None) -> Solution:
    """The entropic plan for a batch of cost matrices, uniform weights.

    Args:
        cost: (B, n, m) float32 or float64; a constant added to a row or column changes nothing.
        eps: regularisation, units of the cost.
        fine: marginal error asked for, (B,), float64; the caller judges by that of the solution
            what was reached.
        start: potential g to start from, (B, m).
    """
    loops, fine = loops_for(cost), fine.clamp_min(FLOOR[cost.dtype])
    found = loops.descend(cost, eps, start, Schedule(fine))
    hard = torch.nonzero(found.error == LOST).squeeze(-1)
    if not len(hard):
        return found
    slow = loops.descend(cost[hard].double(), eps, None, _carefully(fine[hard]))
    careful = rounded(slow, cost.dtype)
    for name in ("plan", "f", "g", "error"):
        getattr(found, name)[hard] = getattr(careful, name)
    return replace(found, iterations=found.iterations + careful.iterations)


def solve_clouds(
    x: Tensor, y: Tensor, eps: float, fine: Tensor, start: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The same of clouds on a CPU, in few dimensions: what `nsgf.ot.kernels.across` returns."""
    from nsgf.ot import kernels

    fine = fine.clamp_min(FLOOR[x.dtype])
    found = kernels.across(x, y, eps, start, Schedule(fine))
    hard = torch.nonzero(found[-1][:, 0] == LOST).squeeze(-1)
    if len(hard):
        wide = x[hard].double(), y[hard].double()
        careful = kernels.across(*wide, eps, None, _carefully(fine[hard]))
        for whole, part in zip(found, careful, strict=True):
            whole[hard] = part.to(whole.dtype)
    return found


def solve_cloud(x: Tensor, eps: float, fine: Tensor) -> tuple[Tensor, Tensor]:
    """The same of a cloud with itself: what `nsgf.ot.kernels.within` returns."""
    from nsgf.ot import kernels

    return kernels.within(x, eps, fine.clamp_min(FLOOR[x.dtype]), MAX_FIXED_POINT)


def _carefully(fine: Tensor) -> Schedule:
    """A way down for what was lost on the usual one, from scratch and in double precision.

    That is rare: near-ties at a scale far above eps, where a few columns that are left behind at
    one eps are lost at the next. This one leaves none.
    """
    return Schedule(fine, follow=1e-4, max_steps=800)


def solve_symmetric(cost: Tensor, eps: float, fine: Tensor) -> Solution:
    """The entropic plan of a cloud with itself; cost (B, n, n) is symmetric with zero diagonal."""
    fine = fine.clamp_min(FLOOR[cost.dtype])
    return loops_for(cost).symmetric(cost, eps, fine, MAX_FIXED_POINT)


def rounded(found: Solution, dtype: torch.dtype) -> Solution:
    """A solution in float64 with its plan in `dtype`, and with the error that this plan has."""
    if dtype == torch.float64:
        return found
    plan = threshold_(found.plan.to(dtype), TINY[dtype], 0)
    error = (plan.mean(-2, dtype=torch.float64) - 1 / plan.shape[-1]).abs().sum(-1)
    # An unconverged plan may be for another eps, which its columns do not show.
    return replace(found, plan=plan, error=torch.maximum(error, found.error))


def without_rest(plan: Tensor) -> Tensor | None:
    """Plans of clouds with themselves, the identity where every point keeps its mass; None if all.

    So it is where eps is tiny against all distances, as between images: no product is needed.
    """
    leaves = 1 - plan.diagonal(dim1=-2, dim2=-1)
    rests = (leaves <= torch.finfo(plan.dtype).eps).all(-1)
    if bool(rests.all()):
        return None
    if bool(rests.any()):
        plan = plan.clone()
        plan[rests] = torch.eye(plan.shape[-1], dtype=plan.dtype, device=plan.device)
    return plan


def loops_for(tensor: Tensor) -> ModuleType:
    """The inner loops for the device of `tensor`: same functions, same results to rounding."""
    if tensor.device.type == "cpu":
        from nsgf.ot import kernels

        return kernels
    from nsgf.ot import dense

    return dense

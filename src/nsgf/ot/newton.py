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

from nsgf.ot.schedule import TINY, Schedule, Solution

AIM = 1e-2  # of tol: the velocity is less exact than the marginal, and Newton's last step is cheap
# Marginal errors below this cannot be told in a precision: its sums are no more exact.
FLOOR = {torch.float32: 2e-6, torch.float64: 1e-13}
MAX_FIXED_POINT = 80


def solve(cost: Tensor, eps: float, tol: float, start: Tensor | None = None) -> Solution:
    """The entropic plan for a batch of cost matrices, uniform weights.

    Works on at AIM * tol; the caller judges by `error` whether tol was reached.

    Args:
        cost: (B, n, m) float32 or float64; a constant added to a row or column changes nothing.
        eps: regularisation, units of the cost.
        tol: marginal error asked for.
        start: potential g to start from, (B, m).
    """
    if tol < FLOOR[cost.dtype] and cost.dtype != torch.float64:
        return rounded(solve(cost.double(), eps, tol, start), cost.dtype)
    loops, fine = loops_for(cost), max(AIM * tol, FLOOR[cost.dtype])
    found = loops.descend(cost, eps, start, Schedule(fine, tol))
    hard = torch.nonzero(~(found.error <= tol)).squeeze(-1)
    if not len(hard):
        return found
    # Rare: near-ties at a scale far above eps, where a few columns left behind at one eps are lost
    # at the next. Leave none, from scratch, and in double precision.
    slow = Schedule(max(AIM * tol, FLOOR[torch.float64]), tol, follow=1e-4, max_steps=800)
    careful = rounded(loops.descend(cost[hard].double(), eps, None, slow), cost.dtype)
    for whole, part in (
        (found.plan, careful.plan),
        (found.f, careful.f),
        (found.g, careful.g),
        (found.error, careful.error),
    ):
        whole[hard] = part
    return replace(found, iterations=found.iterations + careful.iterations)


def solve_symmetric(cost: Tensor, eps: float, tol: float) -> Solution:
    """The entropic plan of a cloud with itself; cost (B, n, n) is symmetric with zero diagonal."""
    if tol < FLOOR[cost.dtype] and cost.dtype != torch.float64:
        return rounded(solve_symmetric(cost.double(), eps, tol), cost.dtype)
    goal = max(AIM * tol, FLOOR[cost.dtype])
    return loops_for(cost).symmetric(cost, eps, goal, MAX_FIXED_POINT)


def rounded(found: Solution, dtype: torch.dtype) -> Solution:
    """A solution in float64 with its plan in `dtype`, and with the error that this plan has."""
    if dtype == torch.float64:
        return found
    plan = threshold_(found.plan.to(dtype), TINY[dtype], 0)
    error = (plan.mean(-2, dtype=torch.float64) - 1 / plan.shape[-1]).abs().sum(-1)
    # An unconverged plan may be for another eps, which its columns do not show.
    return replace(found, plan=plan, error=torch.maximum(error, found.error))


def loops_for(tensor: Tensor) -> ModuleType:
    """The inner loops for the device of `tensor`: same functions, same results to rounding."""
    if tensor.device.type == "cpu":
        from nsgf.ot import kernels

        return kernels
    from nsgf.ot import dense

    return dense

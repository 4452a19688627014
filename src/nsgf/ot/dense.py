"""The inner loops of the Sinkhorn solver in torch, for a batch on any device.

The same steps as `nsgf.ot.kernels`, which documents the functions; here every problem of the batch
takes part in every operation.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import threshold_

from nsgf.ot.schedule import (
    ENOUGH,
    FAR,
    HEAT,
    LEAST,
    LEAST_COLUMN,
    LOST,
    MAX_CG,
    RIDGE,
    RTOL,
    TINY,
    WARM,
    Schedule,
    Solution,
)


def project(plan: Tensor, y: Tensor) -> Tensor:
    """plan @ y, (B, n, d), for a plan (B, n, m) and y (B, m, d)."""
    return plan @ y


def descend(cost: Tensor, eps: float, start: Tensor | None, schedule: Schedule) -> Solution:
    """Potentials of a batch (B, n, m) of problems, all brought down together."""
    b = len(cost)
    wide = {"dtype": torch.float64, "device": cost.device}
    if start is None:
        g, level = _easy_start(cost)
        level = level.clamp_min(eps)
    else:
        g, level = start.to(**wide).clone(), torch.full((b,), eps, **wide)
    f, reduced = _absorb(cost, g)
    if start is not None:
        level = _warm_level(reduced, level)
    shift, soft, plan = torch.zeros_like(reduced[:, 0]), torch.empty_like(f), torch.empty_like(cost)
    error, passes = torch.full((b,), LOST, **wide), torch.ones(b, **wide)
    active = torch.arange(b, device=cost.device)
    for _ in range(schedule.max_steps):
        hot, now = level > eps, level[active]
        goal = torch.where(hot, -1.0, schedule.fine)
        plan[active], soft[active], error[active], change, count = _newton(
            reduced[active], shift[active], now, goal[active]
        )
        passes[active] += 1 + count
        going = error[active] > goal[active]
        active, change, now = active[going], change[going], now[going]
        if not len(active):
            break
        shift[active] += change.clamp(-schedule.clip, schedule.clip) * now.to(change.dtype)[:, None]
        lower = hot & (error < schedule.follow)
        level = torch.where(lower, (level / schedule.halve).clamp_min(eps), level)
        arrived = lower & (level <= eps)
        if bool(arrived.any()):
            # Far from where it was absorbed, a potential is only as exact as its own size.
            g[arrived] += shift[arrived]
            shift[arrived] = 0
            f[arrived], reduced[arrived] = _absorb(cost[arrived], g[arrived])
    error[active] = LOST  # the plan is of another potential, if not of another eps
    return Solution(plan, f - soft, g + shift, error, int(passes.max()))


def _easy_start(cost: Tensor) -> tuple[Tensor, Tensor]:
    """g for eps -> infinity, and the spread of what couples rows and columns (`nsgf.ot.newton`)."""
    columns, rows = cost.mean(-2, keepdim=True), cost.mean(-1, keepdim=True)
    whole = rows.mean(-2, keepdim=True)
    spread = (cost - columns - rows + whole).square().mean((-1, -2)).sqrt()
    return (columns - whole).squeeze(-2).double(), spread.double()


def _absorb(cost: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """f_i = min_j (cost_ij - g_j) and cost - g - f: differences in float64, rounded once."""
    rest = cost - g.unsqueeze(-2)
    f = rest.min(-1).values
    return f, (rest - f.unsqueeze(-1)).to(cost.dtype)


def _warm_level(reduced: Tensor, level: Tensor) -> Tensor:
    """The least level times a power of HEAT at which a warm start's error is below WARM, (B,)."""
    far = torch.arange(len(level), device=level.device)
    while len(far):
        plan = torch.softmax(-reduced[far] / level[far].to(reduced.dtype).view(-1, 1, 1), -1)
        far = far[(plan.mean(-2) - 1 / plan.shape[-1]).abs().sum(-1) > WARM]
        level[far] *= HEAT
    return level


def _newton(reduced: Tensor, shift: Tensor, level: Tensor, goal: Tensor):
    """Plan, log-sum-exp of its rows, error, Newton step in units of level (k, m), iterations."""
    logits = (shift.unsqueeze(-2) - reduced) / level.to(reduced.dtype).view(-1, 1, 1)
    m = logits.shape[-1]
    plan = threshold_(torch.softmax(logits, -1), TINY[logits.dtype], 0)
    soft = level.unsqueeze(-1) * (torch.logsumexp(logits.double(), -1) - math.log(m))
    col = plan.mean(-2)
    free = (col - plan.square().mean(-2)).clamp_min(0)
    r = 1 / m - col
    error = r.abs().sum(-1).double()
    enough = (RTOL * error).maximum(ENOUGH * goal).to(r.dtype)
    return plan, soft, error, *_conjugate_gradients(plan, col, free, r, enough, error > goal)


def _conjugate_gradients(p, col, free, r, enough, going) -> tuple[Tensor, Tensor]:
    """Solve ((1 + RIDGE) diag(col) - P'P / n) d = r for the problems that are `going`."""
    (n, m), ridge = p.shape[-2:], RIDGE[p.dtype]
    scale = 1 / (free + ridge * col.clamp_min(LEAST_COLUMN / m))
    d, z = torch.zeros_like(r), scale * r
    direction, rz = z, (r * z).sum(-1)
    count = torch.zeros(len(p), dtype=torch.int64, device=p.device)
    for k in range(MAX_CG):
        # Asking the device whether all are done costs more than an iteration.
        if k % 8 == 0 and not bool(going.any()):
            break
        gram = ((p @ direction.unsqueeze(-1)).transpose(-1, -2) @ p).squeeze(-2)
        h = (1 + ridge) * col * direction - gram / n
        curvature = (direction * h).sum(-1)
        going = going & (curvature > 0) & (rz > 0)
        alpha = torch.where(going, rz / curvature, 0).unsqueeze(-1)
        d, r = d + alpha * direction, r - alpha * h
        count += going
        going = going & (r.abs().sum(-1) > enough) & (d.amax(-1) - d.amin(-1) <= FAR)
        z = scale * r
        rz_new = (r * z).sum(-1)
        beta = torch.where(going, rz_new / rz, 0)
        direction, rz = z + beta.unsqueeze(-1) * direction, rz_new
    return d, count


def symmetric(cost: Tensor, eps: float, goal: Tensor, max_iter: int) -> Solution:
    """The plan of a cloud with itself, by the averaged fixed point a <- sqrt(a / K a)."""
    n = cost.shape[-1]
    kernel = threshold_(torch.exp(-cost / eps), LEAST[cost.dtype], 0)
    a = kernel.sum(-1).rsqrt()
    count = torch.zeros(len(cost), dtype=torch.int64, device=cost.device)
    for k in range(max_iter + 1):
        t = (kernel @ a.unsqueeze(-1)).squeeze(-1)
        error = 2 * (a * t - 1).abs().mean(-1).double()
        going = error > goal
        if k == max_iter or (k % 8 == 0 and not bool(going.any())):
            break
        a = torch.where(going.unsqueeze(-1), (a / t).sqrt(), a)
        count += going
    plan = kernel * a.unsqueeze(-2) / t.unsqueeze(-1)
    threshold_(plan, TINY[plan.dtype], 0)
    f = eps * (a.double() * n**0.5).log()
    return Solution(plan, f, f, error, int(count.max()) + 1)

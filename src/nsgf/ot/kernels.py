"""The inner loops of the Sinkhorn solver on a CPU, from tensors: `nsgf.ot.loops` does the work.

Same functions as `nsgf.ot.dense`, problem by problem. A batch runs on all threads; one large
problem is cut into BLOCKS of rows, whatever the number of threads. Which loops run is a matter of
the size of one problem: so its result has the same bits alone and in any batch, on any number of
threads.
"""

import numpy as np
import torch
from numba import config, get_num_threads, set_num_threads
from torch import Tensor

from nsgf import compiled
from nsgf.ot import coupling
from nsgf.ot.loops import clouds
from nsgf.ot.loops.newton import descend_batch, descend_blocks
from nsgf.ot.loops.symmetric import symmetric_batch, symmetric_blocks
from nsgf.ot.schedule import Schedule, Solution

LARGE = 1 << 20  # entries from which one problem is worth several threads
BLOCKS = 16
FEW_DIMENSIONS = 8  # in more, a matrix product beats loops
SPARSE = 0.1  # share of a plan's entries up to which loops over them beat it again


def half_squared_distance(x: Tensor, y: Tensor) -> Tensor:
    """|x_i - y_j|^2 / 2, (B, n, m), for x (B, n, d) and y (B, m, d)."""
    if x.shape[-1] > FEW_DIMENSIONS:
        return coupling.half_squared_distance(x, y)
    cost = x.new_empty(*x.shape[:-1], y.shape[-2])
    _use_threads(cost)
    columns = y.transpose(-1, -2).contiguous()
    clouds.distance(x.contiguous().numpy(), columns.numpy(), cost.numpy(), _blocks(cost))
    return cost


def project(plan: Tensor, y: Tensor) -> Tensor:
    """plan @ y, (B, n, d), for a plan (B, n, m) and y (B, m, d)."""
    _use_threads(plan)
    out = y.new_empty(*plan.shape[:-1], y.shape[-1])
    if y.shape[-1] > FEW_DIMENSIONS:
        cut = torch.finfo(plan.dtype).eps / plan.shape[-1]  # all below is less than rounding
        p, z = plan.contiguous().numpy(), y.contiguous().numpy()
        sparse = np.empty(len(p), np.bool_)
        clouds.are_sparse(p, p.dtype.type(cut), SPARSE * p[0].size, sparse)
        clouds.project_sparse(p, z, p.dtype.type(cut), sparse, out.numpy())
        for b in np.flatnonzero(~sparse):  # one by one: a batch of products has other bits
            out[b] = plan[b] @ y[b]
        return out
    columns = y.transpose(-1, -2).contiguous()
    clouds.project(plan.numpy(), columns.numpy(), out.numpy(), _blocks(plan))
    return out


def moments(plan: Tensor, projection: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """`nsgf.ot.error.moments`, (B, 5), from points: projection and x (B, n, d), y (B, m, d)."""
    _use_threads(plan)
    out = torch.empty(len(plan), 5, dtype=torch.float64)
    clouds.moments(*(t.contiguous().numpy() for t in (plan, projection, x, y)), out.numpy())
    return out


def descend(cost: Tensor, eps: float, start: Tensor | None, schedule: Schedule) -> Solution:
    """Potentials of a batch (B, n, m) of problems, each in one core's cache till it is done."""
    _use_threads(cost)
    (b, n, m), blocks = cost.shape, _blocks(cost)
    g = torch.empty(b, m, dtype=torch.float64) if start is None else start.double().clone()
    f, found = torch.empty(b, n, dtype=torch.float64), torch.empty(b, 2, dtype=torch.float64)
    plan = torch.empty_like(cost)
    scratch = cost.new_empty(get_num_threads() if blocks == 1 else 1, n, m)
    s = schedule
    tensors = cost.contiguous(), s.fine, g, f, plan, scratch, found
    c, fine, *out, p, r, kept = (t.numpy() for t in tensors)
    way = s.halve, s.follow, s.clip, s.max_steps
    if blocks == 1:
        descend_batch(c, float(eps), start is not None, fine, *way, *out, p, r, kept)
    else:
        for k in range(b):
            ends = out[0][k], out[1][k], p[k], r[0]
            kept[k] = descend_blocks(
                c[k], float(eps), start is not None, fine[k], *way, *ends, blocks
            )
    return Solution(plan, f, g, found[:, 0], int(found[:, 1].max()))


def symmetric(cost: Tensor, eps: float, goal: Tensor, max_iter: int) -> Solution:
    """The plan of a cloud with itself, by the averaged fixed point a <- sqrt(a / K a).

    Its error at least halves in each iteration, from any start.

    The error in the result is a bound.
    """
    _use_threads(cost)
    (b, n, _), blocks = cost.shape, _blocks(cost)
    plan, f = torch.empty_like(cost), torch.empty(b, n, dtype=torch.float64)
    found = torch.empty(b, 2, dtype=torch.float64)
    c, p, h, out = (a.numpy() for a in (cost.contiguous(), plan, f, found))
    eps, goals = float(eps), goal.numpy()
    if blocks == 1:
        symmetric_batch(c, eps, goals, max_iter, p, h, out)
    else:
        for k in range(b):
            out[k] = symmetric_blocks(c[k], eps, goals[k], max_iter, p[k], h[k], blocks)
    return Solution(plan, f, f, found[:, 0], int(found[:, 1].max()) + 1)


def _blocks(matrix: Tensor) -> int:
    """Parts into which the rows of one problem are cut: a matter of its size alone."""
    return BLOCKS if matrix.shape[1] * matrix.shape[2] >= LARGE else 1


def _use_threads(matrices: Tensor) -> None:
    """As many threads as torch has, and no more than there are parts: waking one costs time."""
    compiled.ensure()
    wanted = torch.get_num_threads()
    mine = min(wanted, config.NUMBA_NUM_THREADS, max(len(matrices), 1) * _blocks(matrices))
    if get_num_threads() != mine:
        set_num_threads(mine)  # launches numba's pool, which resets the whole process's number
    if torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)


def compile_all() -> None:
    """Every loop with every type that it is called with (`nsgf.compiled`)."""
    goal = torch.full((1,), 0.1, dtype=torch.float64)
    for dtype in (torch.float32, torch.float64):
        for n in (8, 1024):  # whole, and in blocks
            x = torch.linspace(0, 1, n * 2, dtype=dtype).reshape(1, n, 2)
            cost = half_squared_distance(x, x)
            found = descend(cost, 0.5, None, Schedule(goal))
            symmetric(cost, 0.5, goal, 3)
            moments(found.plan, project(found.plan, x), x, x)
            wide = x.repeat(1, 1, FEW_DIMENSIONS)
            project(torch.eye(n, dtype=dtype)[None], wide)

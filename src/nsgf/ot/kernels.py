"""The inner loops of the Sinkhorn solver on a CPU, from tensors: `nsgf.ot.loops` does the work.

What `nsgf.ot.dense` has too are the same functions, problem by problem. A batch runs on all
threads; one large problem is cut into BLOCKS of rows, whatever the number of threads. Which loops
run is a matter of the size of one problem: so its result has the same bits alone and in any batch,
on any number of threads.
"""

import numpy as np
import torch
from numba import config, get_num_threads, set_num_threads
from torch import Tensor

from nsgf import compiled
from nsgf.ot.loops.newton import descend_batch, descend_blocks
from nsgf.ot.loops.sparse import are_sparse, project_sparse
from nsgf.ot.loops.symmetric import symmetric_batch, symmetric_blocks
from nsgf.ot.schedule import Schedule, Solution

LARGE = 1 << 20  # entries from which one problem is worth several threads
BLOCKS = 16
SPARSE = 0.1  # share of a plan's entries up to which loops over them beat a matrix product


def project(plan: Tensor, y: Tensor) -> Tensor:
    """plan @ y, (B, n, d), for a plan (B, n, m) and y (B, m, d)."""
    _use_threads(plan.shape)
    out = y.new_empty(*plan.shape[:-1], y.shape[-1])
    p, z = plan.contiguous().numpy(), y.contiguous().numpy()
    cut = p.dtype.type(torch.finfo(plan.dtype).eps / plan.shape[-1])  # less is less than rounding
    sparse = np.empty(len(p), np.bool_)
    are_sparse(p, cut, SPARSE * p[0].size, sparse)
    project_sparse(p, z, cut, sparse, out.numpy())
    for b in np.flatnonzero(~sparse):  # one by one: a batch of products has other bits
        out[b] = plan[b] @ y[b]
    return out


def descend(cost: Tensor, eps: float, start: Tensor | None, schedule: Schedule) -> Solution:
    """Potentials of a batch (B, n, m) of problems, each in one core's cache till it is done."""
    (b, n, m), plan = cost.shape, torch.empty_like(cost)
    clouds = cost.new_empty(b, n, 0), cost.new_empty(b, m, 0)
    f, g, _, found = _descended(cost, *clouds, plan, eps, start, schedule)
    return Solution(plan, f, g, found[:, 0], int(found[:, 1].max()))


def across(
    x: Tensor, y: Tensor, eps: float, start: Tensor | None, schedule: Schedule
) -> tuple[Tensor, Tensor, Tensor]:
    """The same of clouds x (B, n, d) and y (B, m, d) in few dimensions; no matrix is kept.

    Returns: T(x) - x, (B, n, d); g, (B, m), float64; and float64 (B, 9): error, passes, semi-dual
        value, and `nsgf.ot.error.moments`.
    """
    costs = x.new_empty(len(x), 0, 0)
    _, g, moved, found = _descended(costs, x, y, None, eps, start, schedule)
    return moved, g, found


def _descended(cost, x, y, plan, eps, start, schedule):
    (b, n, d), m, s = x.shape, y.shape[1], schedule
    threads = _use_threads((b, n, m))
    plan = x.new_empty(threads, n, m) if plan is None else plan
    g = torch.empty(b, m, dtype=torch.float64) if start is None else start.double().clone()
    f, found = (torch.empty(b, k, dtype=torch.float64) for k in (n, 9))
    moved, reduced = x.new_empty(b, n, d), x.new_empty(threads, n, m)
    tensors = cost, x, y, s.fine, g, f, plan, reduced, moved, found
    c, p, q, fine, *out = (t.contiguous().numpy() for t in tensors)
    how, way = (float(eps), start is not None), (s.halve, s.follow, s.clip, s.max_steps)
    if _blocks(n, m) == 1:
        descend_batch(c, p, q, *how, fine, way, *out)
        return f, g, moved, found
    for k in range(b):
        ends = (a[k % len(a)] for a in out)
        descend_blocks(c[k], p[k], q[k], *how, fine[k], way, *ends, BLOCKS)
    return f, g, moved, found


def symmetric(cost: Tensor, eps: float, goal: Tensor, max_iter: int) -> Solution:
    """The plan of a cloud with itself, by the averaged fixed point a <- sqrt(a / K a).

    Its error at least halves in each iteration, from any start.

    The error in the result is a bound.
    """
    plan = torch.empty_like(cost)
    f, _, found = _fixed_point(cost, cost.new_empty(*cost.shape[:2], 0), plan, eps, goal, max_iter)
    return Solution(plan, f, f, found[:, 0], int(found[:, 1].max()) + 1)


def within(x: Tensor, eps: float, goal: Tensor, max_iter: int) -> tuple[Tensor, Tensor]:
    """The same of a cloud x (B, n, d) in few dimensions, as `across`."""
    costs = x.new_empty(len(x), 0, 0)
    return _fixed_point(costs, x, None, eps, goal, max_iter)[1:]


def _fixed_point(cost, x, plan, eps, goal, max_iter):
    b, n, d = x.shape
    threads = _use_threads((b, n, n))
    plan = x.new_empty(threads, n, n) if plan is None else plan
    f, found = (torch.empty(b, k, dtype=torch.float64) for k in (n, 9))
    moved = x.new_empty(b, n, d)
    tensors = cost, x, goal, plan, f, moved, found
    c, p, goals, *out = (t.contiguous().numpy() for t in tensors)
    if _blocks(n, n) == 1:
        symmetric_batch(c, p, float(eps), goals, max_iter, *out)
        return f, moved, found
    for k in range(b):
        ends = (a[k % len(a)] for a in out)
        symmetric_blocks(c[k], p[k], float(eps), goals[k], max_iter, *ends, BLOCKS)
    return f, moved, found


def _blocks(n: int, m: int) -> int:
    """Parts into which the rows of one problem are cut: a matter of its size alone."""
    return BLOCKS if n * m >= LARGE else 1


def _use_threads(shape: tuple[int, int, int]) -> int:
    """As many threads as torch has, and no more than (B, n, m) has parts: waking one costs time.

    Returns: problems that are solved at a time.
    """
    compiled.ensure()
    (b, n, m), wanted = shape, torch.get_num_threads()
    blocks = _blocks(n, m)
    mine = min(wanted, config.NUMBA_NUM_THREADS, max(b, 1) * blocks)
    if get_num_threads() != mine:
        set_num_threads(mine)  # launches numba's pool, which resets the whole process's number
    if torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)
    return mine if blocks == 1 else 1


def compile_all() -> None:
    """Every loop with every type that it is called with (`nsgf.compiled`)."""
    goal = torch.full((1,), 0.1, dtype=torch.float64)
    for dtype in (torch.float32, torch.float64):
        for n in (8, 1024):  # whole, and in blocks
            x = torch.linspace(0, 1, n * 2, dtype=dtype).reshape(1, n, 2)
            across(x, x, 0.5, None, Schedule(goal))
            within(x, 0.5, goal, 3)
            project(torch.eye(n, dtype=dtype)[None], x)

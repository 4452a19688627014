"""The plan of a cloud with itself, by the averaged fixed point a <- sqrt(a / K a).

As in `nsgf.ot.loops.newton`, a problem is a matrix of costs or a cloud in few dimensions.
"""

import math

import numpy as np
from numba import get_thread_id, njit, prange

from nsgf.compiled import inner, kernel
from nsgf.ot.loops.clouds import centre, displace_rows, fill_rows, moments
from nsgf.ot.loops.elementary import exp, mean, tiny_of


@inner
def _exp_rows(cost, x, minus_inv_eps, matrix, a, lo, hi):
    fill_rows(cost, x, x, matrix, lo, hi)
    for i in range(lo, hi):
        total = matrix.dtype.type(0)
        for j in range(matrix.shape[1]):
            e = exp(matrix[i, j] * minus_inv_eps)
            matrix[i, j] = e
            total += e
        a[i] = 1 / math.sqrt(total)


@inner
def _scale_rows(matrix, a, t, lo, hi):
    for i in range(lo, hi):
        s = t.dtype.type(0)
        for j in range(a.size):
            s += matrix[i, j] * a[j]
        t[i] = s


@inner
def _normalise_rows(matrix, a, t, lo, hi):
    zero, tiny = matrix.dtype.type(0), tiny_of(matrix)
    for i in range(lo, hi):
        scale = 1 / t[i]
        for j in range(a.size):
            p = matrix[i, j] * (a[j] * scale)
            matrix[i, j] = p if p > tiny else zero


@njit(inline="always")
def _fixed_point(cost, x, eps, goal, max_iter, plan, f, blocks):
    n, one = f.size, plan.dtype.type(1)
    a, t = np.empty(n, plan.dtype), np.empty(n, plan.dtype)
    inv = -one / plan.dtype.type(eps)
    for k in prange(blocks):
        _exp_rows(cost, x, inv, plan, a, n * k // blocks, n * (k + 1) // blocks)
    error, count = 2.0, 0
    while True:
        for k in prange(blocks):
            _scale_rows(plan, a, t, n * k // blocks, n * (k + 1) // blocks)
        error = 0.0
        for i in range(n):
            error += abs(a[i] * t[i] - one)
        error *= 2 / n
        if error <= goal or count == max_iter:
            break
        count += 1
        for i in range(n):
            a[i] = math.sqrt(a[i] / t[i])
    for i in range(n):
        f[i] = eps * math.log(a[i] * math.sqrt(n))
    for k in prange(blocks):
        _normalise_rows(plan, a, t, n * k // blocks, n * (k + 1) // blocks)
    return error, count


def _symmetric_one(cost, x, eps, goal, max_iter, plan, f, moved, found, blocks):
    n, d, dtype = f.size, x.shape[1], plan.dtype
    xs = np.empty((d, n), dtype)
    centre(x, xs)
    found[0], found[1] = _fixed_point(cost, xs, eps, goal, max_iter, plan, f, blocks)
    if not d:
        return
    squares, gaps, still = np.empty(n, dtype), np.empty(n, dtype), np.empty(d, dtype)
    for k in range(d):
        still[k] = 0
    found[2] = 2 * mean(f)
    for k in prange(blocks):
        lo, hi = n * k // blocks, n * (k + 1) // blocks
        displace_rows(plan, xs, xs, still, moved, squares, gaps, lo, hi)
    moments(plan, squares, gaps, xs, xs, found[3:])


_symmetric_alone = inner(_symmetric_one)
symmetric_blocks = kernel(_symmetric_one)


@kernel
def symmetric_batch(cost, x, eps, goal, max_iter, plan, f, moved, found):
    """Every problem that is solved without blocks; all as in `descend_batch`."""
    for b in prange(len(f)):
        mine = np.int64(get_thread_id()) if x.shape[2] else np.int64(b)
        _symmetric_alone(
            cost[b], x[b], eps, goal[b], max_iter, plan[mine], f[b], moved[b], found[b], 1
        )

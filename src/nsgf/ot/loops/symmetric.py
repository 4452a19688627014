"""The plan of a cloud with itself, by the averaged fixed point a <- sqrt(a / K a)."""

import math

import numpy as np
from numba import prange

from nsgf.compiled import inner, kernel
from nsgf.ot.loops.elementary import exp, tiny_of


@inner
def _exp_rows(cost, minus_inv_eps, matrix, a, lo, hi):
    for i in range(lo, hi):
        total = matrix.dtype.type(0)
        for j in range(matrix.shape[1]):
            e = exp(cost[i, j] * minus_inv_eps)
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


def _symmetric_one(cost, eps, goal, max_iter, plan, f, blocks):
    n, one = cost.shape[0], plan.dtype.type(1)
    a, t = np.empty(n, plan.dtype), np.empty(n, plan.dtype)
    inv = -one / plan.dtype.type(eps)
    for k in prange(blocks):
        _exp_rows(cost, inv, plan, a, n * k // blocks, n * (k + 1) // blocks)
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


_symmetric_alone = inner(_symmetric_one)
symmetric_blocks = kernel(_symmetric_one)


@kernel
def symmetric_batch(cost, eps, goal, max_iter, plan, f, found):
    """Every problem that is solved without blocks; why, and `found`, see `descend_batch`."""
    for b in prange(cost.shape[0]):
        found[b, 0], found[b, 1] = _symmetric_alone(
            cost[b], eps, goal[b], max_iter, plan[b], f[b], 1
        )

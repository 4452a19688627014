"""Distances and projections by loops, for clouds in few dimensions."""

from numba import prange

from nsgf.compiled import inner, kernel


@inner
def _distance_rows(x, columns, cost, lo, hi):
    """|x_i - y_j|^2 / 2 by differences: exact to rounding, and cheap in few dimensions."""
    d, m = columns.shape
    for i in range(lo, hi):
        row = cost[i]
        for j in range(m):
            row[j] = 0
        for k in range(d):
            a, column = x[i, k], columns[k]
            for j in range(m):
                gap = a - column[j]
                row[j] += gap * gap
        for j in range(m):
            row[j] *= row.dtype.type(0.5)


@kernel
def distance(x, columns, cost, blocks):
    n = cost.shape[1]
    for k in prange(len(cost) * blocks):
        b, part = k // blocks, k % blocks
        lo, hi = n * part // blocks, n * (part + 1) // blocks
        _distance_rows(x[b], columns[b], cost[b], lo, hi)


@inner
def _project_rows(plan, columns, out, lo, hi):
    for i in range(lo, hi):
        row = plan[i]
        for k in range(len(columns)):
            column = columns[k]
            s = out.dtype.type(0)
            for j in range(row.size):
                s += row[j] * column[j]
            out[i, k] = s


@kernel
def project(plan, columns, out, blocks):
    n = plan.shape[1]
    for k in prange(len(plan) * blocks):
        b, part = k // blocks, k % blocks
        lo, hi = n * part // blocks, n * (part + 1) // blocks
        _project_rows(plan[b], columns[b], out[b], lo, hi)

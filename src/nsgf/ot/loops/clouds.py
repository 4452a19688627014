"""Distances and projections by loops, for clouds in few dimensions."""

import numpy as np
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


@inner
def _count(row, cut, found):
    """How many entries of a row are above `cut`; their places go to `found`."""
    count = 0
    for j in range(row.size):
        found[count] = j
        count += row[j] > cut
    return count


@kernel
def are_sparse(plan, cut, limit, out):
    """Whether at most `limit` entries of each problem's plan are above `cut`, (B,)."""
    for b in prange(len(plan)):
        count, p = 0, plan[b]
        for i in range(len(p)):
            for j in range(p.shape[1]):
                count += p[i, j] > cut
        out[b] = count <= limit


@kernel
def project_sparse(plan, y, cut, sparse, out):
    """plan @ y by the entries above `cut` alone, four rows of y at a time, where `sparse`."""
    n = plan.shape[1]
    for k in prange(len(plan) * n):
        b, i = k // n, k % n
        if not sparse[b]:
            continue
        p, z, row = plan[b, i], y[b], out[b, i]
        where = np.empty(p.size + 1, np.int64)
        count = _count(p, cut, where)
        for c in range(row.size):
            row[c] = 0
        fours = count // 4 * 4
        for t in range(0, fours, 4):
            e, f, g, h = where[t], where[t + 1], where[t + 2], where[t + 3]
            pe, pf, pg, ph = p[e], p[f], p[g], p[h]
            ze, zf, zg, zh = z[e], z[f], z[g], z[h]
            for c in range(row.size):
                row[c] += pe * ze[c] + pf * zf[c] + pg * zg[c] + ph * zh[c]
        for t in range(fours, count):
            e, pe = z[where[t]], p[where[t]]
            for c in range(row.size):
                row[c] += pe * e[c]


@inner
def _mean_and_most(points, squares):
    """|p|^2 of each point, their mean and the largest."""
    mean, most = 0.0, 0.0
    for i in range(len(points)):
        s = points.dtype.type(0)
        for k in range(points.shape[1]):
            s += points[i, k] * points[i, k]
        squares[i] = s
        mean += s
        most = max(most, s)
    return mean / len(points), most


@kernel
def moments(plan, projection, x, y, out):
    """`nsgf.ot.error.moments` of every problem, (B, 5)."""
    unit = np.finfo(plan.dtype).eps
    for b in prange(len(plan)):
        p, xx = plan[b], np.empty(plan.shape[1], plan.dtype)
        yy, tt = np.empty(plan.shape[2], plan.dtype), np.empty(plan.shape[1], plan.dtype)
        _mean_and_most(projection[b], tt)
        out[b, 1], out[b, 2] = _mean_and_most(x[b], xx)
        out[b, 3], out[b, 4] = _mean_and_most(y[b], yy)
        variance = 0.0
        for i in range(len(p)):
            mean = plan.dtype.type(0)
            for j in range(yy.size):
                mean += p[i, j] * yy[j]
            # Below its rounding a variance is not seen.
            variance = max(variance, mean - tt[i], unit * mean)
        out[b, 0] = variance

"""Products with sparse plans, by their entries."""

import numpy as np
from numba import prange

from nsgf.compiled import inner, kernel


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

"""Newton's method on the semi-dual, followed down in eps, one problem at a time (`nsgf.ot.newton`).

A problem is a matrix of costs, whose plan is wanted, or two clouds in few dimensions, whose
projection is: their costs and plan never leave the core that works on them.

A plan here is row-normalised, P_ij = pi(j | i). With r = 1/m - col the gradient of the semi-dual
and H = diag(col) - P'P / n its Hessian (times eps), a Newton step solves H d = r; d is in units of
eps. Conjugate gradients on H, scaled by H's own diagonal, need a handful of passes: where the plan
is nearly a permutation, H is nearly diagonal.
"""

import math

import numpy as np
import torch
from numba import get_thread_id, njit, prange

from nsgf.compiled import inner, kernel
from nsgf.ot.loops.clouds import centre, displace_rows, fill_rows, moments
from nsgf.ot.loops.elementary import add, exp, largest, mean, tiny_of
from nsgf.ot.schedule import ENOUGH, FAR, HEAT, LEAST_COLUMN, LOST, MAX_CG, RIDGE, RTOL, WARM

RIDGE32, RIDGE64 = RIDGE[torch.float32], RIDGE[torch.float64]
# Growth of an entry, as a logarithm, up to which a plan is updated in place: one that was taken for
# 0 (below TINY) is then still below 1e-9.
DRIFT = 20.0
HEATS = 64  # times HEAT: from any eps to where single precision ends


@inner
def _absorb_rows(reduced, g, f, lo, hi):
    m = reduced.shape[1]
    buffer = np.empty(m)
    for i in range(lo, hi):
        row = reduced[i]
        for j in range(m):
            buffer[j] = g[j] - row[j]
        f[i] = -largest(buffer)
        for j in range(m):
            row[j] = row[j] - g[j] - f[i]


@inner
def _plan_rows(reduced, shift, inv_eps, plan, col, square, soft, lo, hi):
    """Rows lo..hi of the plan, its column sums and those of its square, and log-sum-exp."""
    m = reduced.shape[1]
    buffer = np.empty_like(shift)
    one, zero, tiny = plan.dtype.type(1), plan.dtype.type(0), tiny_of(plan)
    for j in range(m):
        col[j] = 0
        square[j] = 0
    for i in range(lo, hi):
        row, p = reduced[i], plan[i]
        for j in range(m):
            buffer[j] = shift[j] - row[j]
        top = largest(buffer)
        total = zero
        for j in range(m):
            e = exp((shift[j] - row[j] - top) * inv_eps)
            p[j] = e
            total += e
        soft[i] = top + math.log(total / m) / inv_eps
        scale = one / total
        for j in range(m):
            a = p[j] * scale
            a = a if a > tiny else zero
            p[j] = a
            col[j] += a
            square[j] += a * a


@inner
def _refresh_rows(plan, factor, eps, col, square, soft, lo, hi):
    """As `_plan_rows`, for potentials that moved by eps log(factor) since the plan was made."""
    one, zero, tiny = plan.dtype.type(1), plan.dtype.type(0), tiny_of(plan)
    for j in range(factor.size):
        col[j] = 0
        square[j] = 0
    for i in range(lo, hi):
        p = plan[i]
        total = zero
        for j in range(factor.size):
            total += p[j] * factor[j]
        soft[i] += eps * math.log(total)
        scale = one / total
        for j in range(factor.size):
            a = p[j] * factor[j] * scale
            a = a if a > tiny else zero
            p[j] = a
            col[j] += a
            square[j] += a * a


@inner
def _gram_rows(plan, p, out, lo, hi):
    """out = P'P p over rows lo..hi: both products in one pass, four rows at a time."""
    m, zero = plan.shape[1], out.dtype.type(0)
    for j in range(m):
        out[j] = 0
    fours = lo + (hi - lo) // 4 * 4
    for i in range(lo, fours, 4):
        a, b, c, d = plan[i], plan[i + 1], plan[i + 2], plan[i + 3]
        s, t, u, v = zero, zero, zero, zero
        for j in range(m):
            s += a[j] * p[j]
            t += b[j] * p[j]
            u += c[j] * p[j]
            v += d[j] * p[j]
        for j in range(m):
            out[j] += s * a[j] + t * b[j] + u * c[j] + v * d[j]
    for i in range(fours, hi):
        a, s = plan[i], zero
        for j in range(m):
            s += a[j] * p[j]
        for j in range(m):
            out[j] += s * a[j]


# Long on purpose: the loop's arrays live in it, and numba inlines what it is cut into anyway.
@njit(inline="always")
def _newton_one(reduced, shift, eps, fine, clip, drift, plan, step, soft, blocks):
    """Makes the plan and, unless its error is `fine`, moves the potential by a Newton step.

    Returns: the plan's marginal error, drift, and passes.
    """
    n, m = reduced.shape
    one, zero = plan.dtype.type(1), plan.dtype.type(0)
    inv_eps, inv_n, inv_m = one / plan.dtype.type(eps), one / n, one / m
    ridge = plan.dtype.type(RIDGE32 if plan.itemsize == 4 else RIDGE64)
    part, part2 = np.empty((blocks, m), plan.dtype), np.empty((blocks, m), plan.dtype)
    col, scale, r = np.empty(m, plan.dtype), np.empty(m, plan.dtype), np.empty(m, plan.dtype)
    if drift > DRIFT:
        drift = 0.0
        for k in prange(blocks):
            lo, hi = n * k // blocks, n * (k + 1) // blocks
            _plan_rows(reduced, shift, inv_eps, plan, part[k], part2[k], soft, lo, hi)
    else:
        for j in range(m):
            col[j] = math.exp(step[j])
        for k in prange(blocks):
            lo, hi = n * k // blocks, n * (k + 1) // blocks
            _refresh_rows(plan, col, eps, part[k], part2[k], soft, lo, hi)
    error = 0.0
    for j in range(m):
        a, b = zero, zero
        for k in range(blocks):
            a += part[k, j]
            b += part2[k, j]
        col[j] = a * inv_n
        free = (a - b) * inv_n
        # Of a column that has lost its mass no more is asked than single precision can hold.
        scale[j] = one / ((free if free > 0 else zero) + ridge * max(col[j], LEAST_COLUMN * inv_m))
        r[j] = inv_m - col[j]
        error += abs(r[j])
        step[j] = 0
    if error <= fine:
        return error, drift, 1
    p, q = np.empty(m, plan.dtype), np.empty(m, plan.dtype)
    rz = 0.0
    for j in range(m):
        p[j] = scale[j] * r[j]
        rz += r[j] * p[j]
    count = 0
    while count < MAX_CG and rz > 0:
        for k in prange(blocks):
            _gram_rows(plan, p, part[k], n * k // blocks, n * (k + 1) // blocks)
        pq = 0.0
        for j in range(m):
            a = zero
            for k in range(blocks):
                a += part[k, j]
            q[j] = (one + ridge) * col[j] * p[j] - a * inv_n
            pq += p[j] * q[j]
        count += 1
        if not pq > 0:
            break
        alpha, left, rz_new = plan.dtype.type(rz / pq), 0.0, 0.0
        for j in range(m):
            step[j] += alpha * p[j]
            r[j] -= alpha * q[j]
            left += abs(r[j])
            rz_new += r[j] * r[j] * scale[j]
        if left <= max(RTOL * error, ENOUGH * fine) or _span(step) > FAR:
            break
        beta, rz = plan.dtype.type(rz_new / rz), rz_new
        for j in range(m):
            p[j] = scale[j] * r[j] + beta * p[j]
    for j in range(m):
        step[j] = min(max(step[j], -clip), clip)
        shift[j] += step[j] * plan.dtype.type(eps)
    return error, drift + _span(step), 1 + count


@inner
def _span(step):
    low, high = 0.0, 0.0
    for j in range(step.size):
        low, high = min(low, step[j]), max(high, step[j])
    return high - low


@inner
def _easy_start(cost, g):
    """g for eps -> infinity, and the spread of what couples rows and columns (`nsgf.ot.newton`)."""
    n, m = cost.shape
    g[:] = 0
    for i in range(n):
        for j in range(m):
            g[j] += cost[i, j]
    mean = 0.0
    for j in range(m):
        g[j] /= n
        mean += g[j] / m
    spread = 0.0
    for i in range(n):
        row = 0.0
        for j in range(m):
            row += cost[i, j] - g[j]
        row /= m
        for j in range(m):
            spread += (cost[i, j] - g[j] - row) ** 2
    for j in range(m):
        g[j] -= mean
    return math.sqrt(spread / (n * m))


@njit(inline="always")
def _warm_level(reduced, shift, eps, plan, soft, blocks):
    """The least eps times a power of HEAT at which a warm start's error is below WARM.

    At eps itself, its weakly coupled parts would come together far slower. The plan is made.
    """
    n, m = reduced.shape
    part, part2 = np.empty((blocks, m), plan.dtype), np.empty((blocks, m), plan.dtype)
    level = eps / HEAT
    for _ in range(HEATS):  # of what is no number, the error never is
        level *= HEAT
        inv_eps = plan.dtype.type(1) / plan.dtype.type(level)
        for k in prange(blocks):
            lo, hi = n * k // blocks, n * (k + 1) // blocks
            _plan_rows(reduced, shift, inv_eps, plan, part[k], part2[k], soft, lo, hi)
        error = 0.0
        for j in range(m):
            column = 0.0
            for k in range(blocks):
                column += part[k, j]
            error += abs(1 / m - column / n)
        if error <= WARM:
            break
    return level


@njit(inline="always")
def _descend(cost, x, y, eps, warm, fine, way, g, f, plan, reduced, blocks):
    halve, follow, clip, max_steps = way
    n, m = f.size, g.size
    shift, step, soft = np.empty(m, plan.dtype), np.empty(m, plan.dtype), np.empty(n)
    level, drift, error, passes, rests = eps, 0.0, LOST, 1, False
    first, anew = True, True
    for _ in range(max_steps):
        if anew:
            for j in range(m):
                shift[j], step[j] = 0, 0
            for k in prange(blocks):
                fill_rows(cost, x, y, reduced, n * k // blocks, n * (k + 1) // blocks)
            if first and not warm:
                level = max(eps, _easy_start(reduced, g))
            for k in prange(blocks):
                _absorb_rows(reduced, g, f, n * k // blocks, n * (k + 1) // blocks)
            drift = 2 * DRIFT
            if first and warm:
                level, drift = _warm_level(reduced, shift, eps, plan, soft, blocks), 0.0
            first, anew = False, False
        goal = -1.0 if level > eps else fine
        error, drift, count = _newton_one(
            reduced, shift, level, goal, clip, drift, plan, step, soft, blocks
        )
        passes += count
        rests = error <= goal
        if rests:
            break
        if level > eps and error < follow:
            level, drift = max(eps, level / halve), 2 * DRIFT
            anew = level <= eps
            if anew:
                # Far from where it was absorbed, a potential is only as exact as its own size.
                add(shift, g)
    if not rests:  # the plan is of another potential, if not of another eps
        error = LOST
    if not anew:
        add(shift, g)
    for i in range(n):
        f[i] -= soft[i]
    return error, passes


def _descend_one(cost, x, y, eps, warm, fine, way, g, f, plan, reduced, moved, found, blocks):
    n, d, dtype = f.size, y.shape[1], plan.dtype
    xs, ys = np.empty((d, n), dtype), np.empty((d, g.size), dtype)
    x_mean, x_rest = centre(x, xs)
    y_mean, y_rest = centre(y, ys)
    found[0], found[1] = _descend(cost, xs, ys, eps, warm, fine, way, g, f, plan, reduced, blocks)
    if not d:
        return
    shift, squares, gaps = np.empty(d, dtype), np.empty(n, dtype), np.empty(n, dtype)
    found[2] = mean(f) + mean(g)
    for k in range(d):
        # The plan is that of centred clouds; their rounded means are nearly so.
        apart = x_mean[k] - y_mean[k]
        found[2] += apart * (apart / 2 + x_rest[k] - y_rest[k])
        shift[k] = -apart
    for k in prange(blocks):
        lo, hi = n * k // blocks, n * (k + 1) // blocks
        displace_rows(plan, xs, ys, shift, moved, squares, gaps, lo, hi)
    moments(plan, squares, gaps, xs, ys, found[3:])


_descend_alone = inner(_descend_one)
descend_blocks = kernel(_descend_one)


@kernel
def descend_batch(cost, x, y, eps, warm, fine, way, g, f, plan, reduced, moved, found):
    """Every problem that is solved without blocks, one alone as a batch of one.

    A second kernel for one problem would have other last bits: compiled with other constants or in
    other surroundings, the same sums are taken in another order.

    Matrices `cost` (B, n, m) come with clouds without dimensions, and their plans are kept; clouds
    x (B, n, d) and y (B, m, d) come with empty matrices, and with plans for each thread. `found`
    (B, 9) takes marginal errors and passes, and of clouds the semi-dual values and `moments`.
    """
    for b in prange(len(g)):
        mine = np.int64(get_thread_id())
        ends = (
            g[b],
            f[b],
            plan[mine if y.shape[2] else np.int64(b)],
            reduced[mine],
            moved[b],
            found[b],
        )
        _descend_alone(cost[b], x[b], y[b], eps, warm, fine[b], way, *ends, 1)

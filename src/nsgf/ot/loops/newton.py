"""Newton's method on the semi-dual, followed down in eps, one problem at a time (`nsgf.ot.newton`).

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
from nsgf.ot.loops.elementary import exp, largest, tiny_of
from nsgf.ot.schedule import FAR, LEAST_COLUMN, LOST, MAX_CG, RIDGE, RTOL, WARM

RIDGE32, RIDGE64 = RIDGE[torch.float32], RIDGE[torch.float64]
# Growth of an entry, as a logarithm, up to which a plan is updated in place: one that was taken for
# 0 (below TINY) is then still below 1e-9.
DRIFT = 20.0


@inner
def _absorb_rows(cost, g, reduced, f, lo, hi):
    m = cost.shape[1]
    buffer = np.empty(m)
    for i in range(lo, hi):
        for j in range(m):
            buffer[j] = g[j] - cost[i, j]
        f[i] = -largest(buffer)
        for j in range(m):
            reduced[i, j] = cost[i, j] - g[j] - f[i]


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
        if left <= RTOL * error or _span(step) > FAR:
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


def _descend_one(
    cost, eps, warm, fine, halve, follow, clip, max_steps, g, f, plan, reduced, blocks
):
    n, m = cost.shape
    shift, step, soft = np.zeros(m, plan.dtype), np.zeros(m, plan.dtype), np.empty(n)
    level = eps if warm else max(eps, _easy_start(cost, g))
    for k in prange(blocks):
        _absorb_rows(cost, g, reduced, f, n * k // blocks, n * (k + 1) // blocks)
    drift, error, passes, rests = 2 * DRIFT, LOST, 1, False
    for k in range(max_steps):
        goal = -1.0 if level > eps else fine
        error, drift, count = _newton_one(
            reduced, shift, level, goal, clip, drift, plan, step, soft, blocks
        )
        passes += count
        rests = error <= goal
        if rests:
            break
        if k == 0 and warm and error > WARM:
            # Its weakly coupled parts would come back far slower than from cold.
            level, drift = max(eps, _easy_start(cost, g)), 2 * DRIFT
            shift[:] = 0
            for b in prange(blocks):
                _absorb_rows(cost, g, reduced, f, n * b // blocks, n * (b + 1) // blocks)
        elif level > eps and error < follow:
            level, drift = max(eps, level / halve), 2 * DRIFT
            if level <= eps:
                # Far from where it was absorbed, a potential is only as exact as its own size.
                for j in range(m):
                    g[j] += shift[j]
                shift[:] = 0
                for b in prange(blocks):
                    _absorb_rows(cost, g, reduced, f, n * b // blocks, n * (b + 1) // blocks)
    if not rests:  # the plan is of another potential, if not of another eps
        error = LOST
    for i in range(n):
        f[i] -= soft[i]
    for j in range(m):
        g[j] += shift[j]
    return error, passes


_descend_alone = inner(_descend_one)
descend_blocks = kernel(_descend_one)


@kernel
def descend_batch(
    cost, eps, warm, fine, halve, follow, clip, max_steps, g, f, plan, reduced, found
):
    """Every problem that is solved without blocks, one alone as a batch of one.

    A second kernel for one problem would have other last bits: compiled with other constants or in
    other surroundings, the same sums are taken in another order.

    `found` (B, 2) takes marginal errors and passes.
    """
    for b in prange(len(cost)):
        found[b, 0], found[b, 1] = _descend_alone(
            cost[b],
            eps,
            warm,
            fine[b],
            halve,
            follow,
            clip,
            max_steps,
            g[b],
            f[b],
            plan[b],
            reduced[get_thread_id()],
            1,
        )

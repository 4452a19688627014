"""The inner loops of the Sinkhorn solver on a CPU: fused passes over a matrix that stays in cache.

Same functions as `nsgf.ot.dense`, problem by problem: a batch runs on all threads, one large
problem is cut into BLOCKS of rows, so these loops' results do not depend on the number of threads.
Arrays are float32 or float64 and C-contiguous; potentials are float64 always.

A plan here is row-normalised, P_ij = pi(j | i). With r = 1/m - col the gradient of the semi-dual
and H = diag(col) - P'P / n its Hessian (times eps), a Newton step solves H d = r; d is in units of
eps. Conjugate gradients on H, scaled by H's own diagonal, need a handful of passes: where the plan
is nearly a permutation, H is nearly diagonal.
"""

import math

import numpy as np
import torch
from numba import config, get_num_threads, get_thread_id, njit, prange, set_num_threads, types
from numba.extending import overload
from torch import Tensor

from nsgf.ot import compiled, coupling
from nsgf.ot.schedule import Schedule, Solution

LARGE = 1 << 20  # entries from which one problem is worth several threads
BLOCKS = 16
FEW_DIMENSIONS = 8  # in more, a matrix product beats loops
DRIFT = 20.0  # changes of a potential, in units of eps, over which a plan is updated in place
# These stand here and not with the schedule because numba stamps compiled code by this file alone.
WARM = 0.12  # a warm start with a larger error than this begins at REHEAT eps
REHEAT = 4.0
PATIENCE = 40  # steps at eps after which tol has to do instead of the finer aim
RTOL, MAX_CG = 0.1, 500  # of conjugate gradients: residual asked for, and their limit
# Of the column masses: H is singular along constants and between far clusters.
RIDGE = {torch.float32: 1e-6, torch.float64: 1e-12}
RIDGE32, RIDGE64 = RIDGE[torch.float32], RIDGE[torch.float64]
OPTIONS = {"fastmath": True, "nogil": True, "cache": True}
# Inlined into each kernel that calls it: a call could reach the copy of whichever kernel was loaded
# first, and fast-math sums of two copies differ in their last bits (nsgf.ot.compiled).
INNER = OPTIONS | {"forceinline": True}


def _exp(x):
    """e^min(x, 0), vectorisable; results below the smallest normal number are about that."""


@overload(_exp, inline="always")
def _exp_of(x):
    if x is types.float32:
        return _exp32
    return _exp64


def _exp32(x):
    # Cody-Waite reduction and Cephes's polynomial; relative error 1.2e-7.
    x = x if x > np.float32(-87.0) else np.float32(-87.0)
    x = x if x < np.float32(0.0) else np.float32(0.0)
    k = np.floor(x * np.float32(1.4426950408889634) + np.float32(0.5))
    r = (x - k * np.float32(0.693359375)) + k * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1.0)
    return p * np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)


def _exp64(x):
    # The same reduction, Taylor's polynomial to degree 12 on |r| < 0.35; relative error 3e-16.
    x = x if x > -708.0 else -708.0
    x = x if x < 0.0 else 0.0
    k = np.floor(x * 1.4426950408889634 + 0.5)
    r = (x - k * 0.693145751953125) - k * 1.42860682030941723212e-6
    p = 1 / 479001600.0
    p = p * r + 1 / 39916800.0
    p = p * r + 1 / 3628800.0
    p = p * r + 1 / 362880.0
    p = p * r + 1 / 40320.0
    p = p * r + 1 / 5040.0
    p = p * r + 1 / 720.0
    p = p * r + 1 / 120.0
    p = p * r + 1 / 24.0
    p = p * r + 1 / 6.0
    p = p * r + 0.5
    p = p * r * r + r + 1.0
    return p * np.int64((np.int64(k) + 1023) << np.int64(52)).view(np.float64)


@njit(**INNER)
def _largest(buffer):
    """Largest entry; destroys the buffer. Folding halves vectorises, a plain maximum does not."""
    width = buffer.size
    while width > 1:
        half = (width + 1) // 2
        for j in range(width - half):
            a, b = buffer[j], buffer[j + half]
            buffer[j] = a if a > b else b
        width = half
    return buffer[0]


@njit(**INNER)
def _absorb_rows(cost, g, reduced, f, lo, hi):
    m = cost.shape[1]
    buffer = np.empty(m)
    for i in range(lo, hi):
        for j in range(m):
            buffer[j] = g[j] - cost[i, j]
        f[i] = -_largest(buffer)
        for j in range(m):
            reduced[i, j] = cost[i, j] - g[j] - f[i]


@njit(**INNER)
def _plan_rows(reduced, shift, inv_eps, plan, col, square, soft, lo, hi):
    """Rows lo..hi of the plan, its column sums and those of its square, and log-sum-exp."""
    m = reduced.shape[1]
    buffer = np.empty_like(shift)
    one = plan.dtype.type(1)
    for j in range(m):
        col[j] = 0
        square[j] = 0
    for i in range(lo, hi):
        row, p = reduced[i], plan[i]
        for j in range(m):
            buffer[j] = shift[j] - row[j]
        top = _largest(buffer)
        total = one - one
        for j in range(m):
            e = _exp((shift[j] - row[j] - top) * inv_eps)
            p[j] = e
            total += e
        soft[i] = top + math.log(total / m) / inv_eps
        scale = one / total
        for j in range(m):
            a = p[j] * scale
            p[j] = a
            col[j] += a
            square[j] += a * a


@njit(**INNER)
def _refresh_rows(plan, factor, eps, col, square, soft, lo, hi):
    """As `_plan_rows`, for potentials that moved by eps log(factor) since the plan was made."""
    one = plan.dtype.type(1)
    for j in range(factor.size):
        col[j] = 0
        square[j] = 0
    for i in range(lo, hi):
        p = plan[i]
        total = one - one
        for j in range(factor.size):
            total += p[j] * factor[j]
        soft[i] += eps * math.log(total)
        scale = one / total
        for j in range(factor.size):
            a = p[j] * factor[j] * scale
            p[j] = a
            col[j] += a
            square[j] += a * a


@njit(**INNER)
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


@njit(inline="always")
def _newton_one(reduced, shift, eps, goal, clip, drift, plan, step, soft, blocks):
    n, m = reduced.shape
    one, zero = plan.dtype.type(1), plan.dtype.type(0)
    inv_eps, inv_n = one / plan.dtype.type(eps), one / n
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
        scale[j] = one / ((free if free > 0 else zero) + ridge * col[j] + ridge * ridge / m)
        r[j] = one / m - col[j]
        error += abs(r[j])
        step[j] = 0
    if error <= goal:
        return error, drift, 1
    p, q = np.empty(m, plan.dtype), np.empty(m, plan.dtype)
    rz = 0.0
    for j in range(m):
        p[j] = scale[j] * r[j]
        rz += r[j] * p[j]
    count = 0
    while count < MAX_CG and rz > 0:
        count += 1
        for k in prange(blocks):
            _gram_rows(plan, p, part[k], n * k // blocks, n * (k + 1) // blocks)
        pq = 0.0
        for j in range(m):
            a = zero
            for k in range(blocks):
                a += part[k, j]
            q[j] = (one + ridge) * col[j] * p[j] - a * inv_n
            pq += p[j] * q[j]
        if not pq > 0:
            break
        alpha, left, rz_new = plan.dtype.type(rz / pq), 0.0, 0.0
        for j in range(m):
            step[j] += alpha * p[j]
            r[j] -= alpha * q[j]
            left += abs(r[j])
            rz_new += r[j] * r[j] * scale[j]
        if left <= RTOL * error:
            break
        beta, rz = plan.dtype.type(rz_new / rz), rz_new
        for j in range(m):
            p[j] = scale[j] * r[j] + beta * p[j]
    longest = zero
    for j in range(m):
        step[j] = min(max(step[j], -clip), clip)
        longest = max(longest, abs(step[j]))
        shift[j] += step[j] * plan.dtype.type(eps)
    return error, drift + longest, 1 + count


@njit(**INNER)
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
    cost, eps, warm, fine, tol, halve, follow, clip, max_steps, g, f, plan, reduced, blocks
):
    n, m = cost.shape
    shift, step, soft = np.zeros(m, plan.dtype), np.zeros(m, plan.dtype), np.empty(n)
    level = eps if warm else max(eps, _easy_start(cost, g))
    for k in prange(blocks):
        _absorb_rows(cost, g, reduced, f, n * k // blocks, n * (k + 1) // blocks)
    drift, error, passes, left = np.inf, 2.0, 1, PATIENCE
    for k in range(max_steps):
        left -= level <= eps
        goal = 0.0 if level > eps else (fine if left >= 0 else tol)
        error, drift, count = _newton_one(
            reduced, shift, level, goal, clip, drift, plan, step, soft, blocks
        )
        passes += count
        if level <= eps and error <= goal:
            break
        if k == 0 and warm and error > WARM:
            # A step at eps would lead away from the path that is followed instead.
            level, drift = REHEAT * eps, np.inf
            shift[:] = 0
        elif level > eps and error < follow:
            level, drift = max(eps, level / halve), np.inf
            if level <= eps:
                # Far from where it was absorbed, a potential is only as exact as its own size.
                for j in range(m):
                    g[j] += shift[j]
                shift[:] = 0
                for b in prange(blocks):
                    _absorb_rows(cost, g, reduced, f, n * b // blocks, n * (b + 1) // blocks)
    for i in range(n):
        f[i] -= soft[i]
    for j in range(m):
        g[j] += shift[j]
    return 2.0 if level > eps else error, passes  # not of a plan for another eps


_descend_inner = njit(**INNER)(_descend_one)
_descend_serial = njit(**OPTIONS)(_descend_one)
_descend_threads = njit(parallel=True, **OPTIONS)(_descend_one)


@njit(parallel=True, **OPTIONS)
def _descend_batch(
    cost, eps, warm, fine, tol, halve, follow, clip, max_steps, g, f, plan, reduced, error, passes
):
    for b in prange(len(cost)):
        error[b], passes[b] = _descend_inner(
            cost[b],
            eps,
            warm,
            fine,
            tol,
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


@njit(**INNER)
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


@njit(parallel=True, **OPTIONS)
def _distance_batch(x, columns, cost, blocks):
    n = cost.shape[1]
    for k in prange(len(cost) * blocks):
        b, part = k // blocks, k % blocks
        lo, hi = n * part // blocks, n * (part + 1) // blocks
        _distance_rows(x[b], columns[b], cost[b], lo, hi)


@njit(**INNER)
def _project_rows(plan, columns, out, lo, hi):
    for i in range(lo, hi):
        row = plan[i]
        for k in range(len(columns)):
            column = columns[k]
            s = out.dtype.type(0)
            for j in range(row.size):
                s += row[j] * column[j]
            out[i, k] = s


@njit(parallel=True, **OPTIONS)
def _project_batch(plan, columns, out, blocks):
    n = plan.shape[1]
    for k in prange(len(plan) * blocks):
        b, part = k // blocks, k % blocks
        lo, hi = n * part // blocks, n * (part + 1) // blocks
        _project_rows(plan[b], columns[b], out[b], lo, hi)


@njit(**INNER)
def _exp_rows(cost, minus_inv_eps, kernel, a, lo, hi):
    for i in range(lo, hi):
        total = kernel.dtype.type(0)
        for j in range(kernel.shape[1]):
            e = _exp(cost[i, j] * minus_inv_eps)
            kernel[i, j] = e
            total += e
        a[i] = 1 / math.sqrt(total)


@njit(**INNER)
def _scale_rows(kernel, a, t, lo, hi):
    for i in range(lo, hi):
        s = t.dtype.type(0)
        for j in range(a.size):
            s += kernel[i, j] * a[j]
        t[i] = s


@njit(**INNER)
def _normalise_rows(kernel, a, t, lo, hi):
    for i in range(lo, hi):
        scale = 1 / t[i]
        for j in range(a.size):
            kernel[i, j] *= a[j] * scale


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


_symmetric_inner = njit(**INNER)(_symmetric_one)
_symmetric_serial = njit(**OPTIONS)(_symmetric_one)
_symmetric_threads = njit(parallel=True, **OPTIONS)(_symmetric_one)


@njit(parallel=True, **OPTIONS)
def _symmetric_batch(cost, eps, goal, max_iter, plan, f, error, count):
    for b in prange(cost.shape[0]):
        error[b], count[b] = _symmetric_inner(cost[b], eps, goal, max_iter, plan[b], f[b], 1)


def half_squared_distance(x: Tensor, y: Tensor) -> Tensor:
    """|x_i - y_j|^2 / 2, (B, n, m), for x (B, n, d) and y (B, m, d)."""
    if x.shape[-1] > FEW_DIMENSIONS:
        return coupling.half_squared_distance(x, y)
    _use_torch_threads()
    cost = x.new_empty(*x.shape[:-1], y.shape[-2])
    columns = y.transpose(-1, -2).contiguous()
    _distance_batch(x.contiguous().numpy(), columns.numpy(), cost.numpy(), _blocks(cost))
    return cost


def project(plan: Tensor, y: Tensor) -> Tensor:
    """plan @ y, (B, n, d), for a plan (B, n, m) and y (B, m, d)."""
    if y.shape[-1] > FEW_DIMENSIONS:
        return plan @ y
    _use_torch_threads()
    out = y.new_empty(*plan.shape[:-1], y.shape[-1])
    columns = y.transpose(-1, -2).contiguous()
    _project_batch(plan.numpy(), columns.numpy(), out.numpy(), _blocks(plan))
    return out


def descend(cost: Tensor, eps: float, start: Tensor | None, schedule: Schedule) -> Solution:
    """Potentials of a batch (B, n, m) of problems, each in one core's cache till it is done."""
    _use_torch_threads()
    (b, n, m), blocks = cost.shape, _blocks(cost)
    g = torch.empty(b, m, dtype=torch.float64) if start is None else start.double().clone()
    f, error = torch.empty(b, n, dtype=torch.float64), torch.empty(b, dtype=torch.float64)
    plan, passes = torch.empty_like(cost), torch.empty(b, dtype=torch.int64)
    scratch = cost.new_empty(get_num_threads() if b > 1 else 1, n, m)
    s = schedule
    rules = (s.fine, s.tol, s.halve, s.follow, s.clip, s.max_steps)
    c, p, r, *out = (t.numpy() for t in (cost.contiguous(), plan, scratch, g, f, error, passes))
    settings = (float(eps), start is not None, *rules)
    if b > 1 and blocks == 1:
        _descend_batch(c, *settings, out[0], out[1], p, r, out[2], out[3])
    else:
        run = _descend_threads if blocks > 1 else _descend_serial
        for k in range(b):
            found = run(c[k], *settings, out[0][k], out[1][k], p[k], r[0], blocks)
            out[2][k], out[3][k] = found
    return Solution(plan, f, g, error, int(passes.max()))


def symmetric(cost: Tensor, eps: float, goal: float, max_iter: int) -> Solution:
    """The plan of a cloud with itself, by the averaged fixed point a <- sqrt(a / K a).

    Its error at least halves in each iteration, from any start.

    The error in the result is a bound.
    """
    _use_torch_threads()
    (b, n, _), blocks = cost.shape, _blocks(cost)
    plan, f = torch.empty_like(cost), torch.empty(b, n, dtype=torch.float64)
    error, count = torch.empty(b, dtype=torch.float64), torch.empty(b, dtype=torch.int64)
    c, p, h, e, i = (a.numpy() for a in (cost.contiguous(), plan, f, error, count))
    eps, goal = float(eps), float(goal)
    if b > 1 and blocks == 1:
        _symmetric_batch(c, eps, goal, max_iter, p, h, e, i)
    else:
        run = _symmetric_threads if blocks > 1 else _symmetric_serial
        for k in range(b):
            e[k], i[k] = run(c[k], eps, goal, max_iter, p[k], h[k], blocks)
    return Solution(plan, f, f, error, int(count.max()) + 1)


def _blocks(matrix: Tensor) -> int:
    """Parts into which the rows of one problem are cut: a matter of its size alone."""
    return BLOCKS if matrix.shape[1] * matrix.shape[2] >= LARGE else 1


def _use_torch_threads() -> None:
    compiled.ensure()
    wanted = torch.get_num_threads()
    mine = min(wanted, config.NUMBA_NUM_THREADS)
    if get_num_threads() != mine:
        set_num_threads(mine)  # launches numba's pool, which resets the whole process's number
    if torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)

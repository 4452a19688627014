"""`nsgf.philox` on a CPU: the same functions and numbers, bit for bit, in compiled vector loops.

Without fast-math, so that no operation is fused with the next or taken in another order.
"""

from functools import partial

import numpy as np
import torch
from numba import njit
from torch import Tensor

from nsgf import compiled, philox

CHUNK = 256  # blocks at a time: their words stay in a core's cache
LOW, HALF = np.uint64(philox.LOW), np.uint64(32)
M0, M1 = map(np.uint64, philox.MULTIPLIERS)
B0, B1 = map(np.uint64, philox.BUMPS)
ROUNDS = philox.ROUNDS
S0, S1, S2, S3, S4 = map(np.float32, philox.SINE)
C0, C1, C2, C3, C4, C5 = map(np.float32, philox.COSINE)
L0, L1, L2, L3, L4 = map(np.float32, philox.LOGARITHM)
ONE, TWO, LN2 = np.float32(1), np.float32(2), np.float32(np.log(2))
ULP24, ULP31, ULP32 = np.float32(2.0**-24), np.float32(2.0**-31), np.float32(2.0**-32)
ROOT_HALF, MANTISSA = np.int32(philox.ROOT_HALF), np.int32(philox.MANTISSA)
EIGHTH, QUARTER, BIT, NEXT = np.int32(1 << 29), np.int32(30), np.int32(1), np.int32(2)
kernel = partial(compiled.kernel, parallel=False, fastmath=False)
inner = partial(njit, inline="always", nogil=True, error_model="numpy")


def uniform(first: int, count: int, draw: int, key: int, device=None) -> Tensor:
    """As `philox.uniform`."""
    return _filled(_uniform, torch.empty(count, 4), (), first, draw, key)


def integers(high: int, first: int, count: int, draw: int, key: int, device=None) -> Tensor:
    """As `philox.integers`."""
    if high <= philox.WIDE:
        out = torch.empty(count, 4, dtype=torch.int64)
        return _filled(_narrow, out, (np.uint64(high),), first, draw, key)
    out = torch.empty(count, 2, dtype=torch.int64)
    return _filled(_wide, out, (np.float64(high),), first, draw, key)


def normal(first: int, count: int, draw: int, key: int, device=None) -> Tensor:
    """As `philox.normal`."""
    return _filled(_normal, torch.empty(count, 4), (), first, draw, key)


def _filled(loop, out: Tensor, about: tuple, first: int, draw: int, key: int) -> Tensor:
    compiled.ensure()
    words = (np.uint64(w) for w in (draw, key & philox.LOW, key >> 32))
    loop(out.numpy(), *about, np.int64(first), *words)
    return out.flatten()


@inner()
def _words(w, count, first, draw, k0, k1):
    """Fill columns of w, uint32 (4, CHUNK), with the words of `count` blocks."""
    for i in range(count):
        b = np.uint64(first + i)
        c0, c1, c2, c3 = b & LOW, b >> HALF, draw & LOW, draw >> HALF
        a0, a1 = k0, k1
        for _ in range(ROUNDS):
            p0, p1 = M0 * c0, M1 * c2
            c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ a0, p1 & LOW, (p0 >> HALF) ^ c3 ^ a1, p0 & LOW
            a0, a1 = (a0 + B0) & LOW, (a1 + B1) & LOW
        w[0, i], w[1, i], w[2, i], w[3, i] = (
            np.uint32(c0),
            np.uint32(c1),
            np.uint32(c2),
            np.uint32(c3),
        )


@kernel
def _uniform(out, first, draw, k0, k1):
    w = np.empty((4, CHUNK), np.uint32)
    for start in range(0, out.shape[0], CHUNK):
        count = min(CHUNK, out.shape[0] - start)
        _words(w, count, first + start, draw, k0, k1)
        for i in range(count):
            for j in range(4):
                out[start + i, j] = np.float32(np.int32(w[j, i] >> np.uint32(8))) * ULP24


@kernel
def _narrow(out, high, first, draw, k0, k1):
    w = np.empty((4, CHUNK), np.uint32)
    for start in range(0, out.shape[0], CHUNK):
        count = min(CHUNK, out.shape[0] - start)
        _words(w, count, first + start, draw, k0, k1)
        for i in range(count):
            for j in range(4):
                out[start + i, j] = np.int64((np.uint64(w[j, i]) * high) >> HALF)


@kernel
def _wide(out, high, first, draw, k0, k1):
    w = np.empty((4, CHUNK), np.uint32)
    for start in range(0, out.shape[0], CHUNK):
        count = min(CHUNK, out.shape[0] - start)
        _words(w, count, first + start, draw, k0, k1)
        for i in range(count):
            for j in range(2):
                a, b = np.int64(w[2 * j, i] >> np.uint32(5)), np.int64(w[2 * j + 1, i] >> 6)
                fraction = np.float64(a * (1 << 26) + b) * 2.0**-53
                out[start + i, j] = min(np.int64(fraction * high), np.int64(high) - 1)


@kernel
def _normal(out, first, draw, k0, k1):
    w, radius = np.empty((4, CHUNK), np.uint32), np.empty(CHUNK, np.float32)
    u = np.empty(CHUNK, np.float32)
    bits = u.view(np.int32)
    for start in range(0, out.shape[0], CHUNK):
        count = min(CHUNK, out.shape[0] - start)
        _words(w, count, first + start, draw, k0, k1)
        for j in range(2):
            for i in range(count):
                u[i] = np.float32(np.int32(w[2 * j, i] >> np.uint32(1))) * ULP31 + ULP32
            for i in range(count):
                exponent = np.int32((bits[i] - ROOT_HALF) >> MANTISSA)
                bits[i] = np.int32(bits[i] - np.int32(exponent << MANTISSA))
                radius[i] = np.float32(exponent) * LN2
            for i in range(count):
                q = (u[i] - ONE) / (u[i] + ONE)
                q2 = q * q
                log = q * ((((L4 * q2 + L3) * q2 + L2) * q2 + L1) * q2 + L0)
                radius[i] = np.sqrt((radius[i] + log) * -TWO)
            for i in range(count):
                turn = np.int32(w[2 * j + 1, i])
                quarter = np.int32(np.int32(turn + EIGHTH) >> QUARTER)
                r = np.float32(np.int32(turn - np.int32(quarter << QUARTER))) * ULP32
                r2 = r * r
                sine = r * ((((S4 * r2 + S3) * r2 + S2) * r2 + S1) * r2 + S0)
                cosine = ((((C5 * r2 + C4) * r2 + C3) * r2 + C2) * r2 + C1) * r2 + C0
                odd = (quarter & BIT) != 0
                x, y = (sine, cosine) if odd else (cosine, sine)
                x = -x if ((quarter + BIT) & NEXT) != 0 else x
                y = -y if (quarter & NEXT) != 0 else y
                out[start + i, 2 * j] = radius[i] * x
                out[start + i, 2 * j + 1] = radius[i] * y


def compile_all() -> None:
    """The loops with the types that they are called with (`nsgf.compiled`)."""
    for high in (2, philox.WIDE + 1):
        integers(high, 0, 1, 0, 0)
    uniform(0, 1, 0, 0)
    normal(0, 1, 0, 0)

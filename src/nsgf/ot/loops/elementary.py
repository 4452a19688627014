"""What both solvers' loops are made of: a vectorised exponential, and sums."""

import math

import numpy as np
import torch
from numba import types
from numba.extending import overload

from nsgf.compiled import inner
from nsgf.ot.schedule import LEAST, TINY

LEAST32, LEAST64 = math.log(LEAST[torch.float32]), math.log(LEAST[torch.float64])
TINY32, TINY64 = TINY[torch.float32], TINY[torch.float64]


def exp(x):
    """e^min(x, 0), vectorisable; results below LEAST are 0."""


@overload(exp, inline="always")
def _exp_of(x):
    if x is types.float32:
        return _exp32
    return _exp64


def _exp32(x):
    # Cody-Waite reduction and Cephes's polynomial; relative error 1.2e-7.
    least = np.float32(LEAST32)
    seen = x > least
    x = x if seen else least
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
    e = p * np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)
    return e if seen else np.float32(0.0)


def _exp64(x):
    # The same reduction, Taylor's polynomial to degree 12 on |r| < 0.35; relative error 3e-16.
    seen = x > LEAST64
    x = x if seen else LEAST64
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
    e = p * np.int64((np.int64(k) + 1023) << np.int64(52)).view(np.float64)
    return e if seen else 0.0


@inner
def tiny_of(matrix):
    """TINY of a matrix's precision."""
    return matrix.dtype.type(TINY32 if matrix.itemsize == 4 else TINY64)


# By loops: in a kernel numba would make a parallel one of each of numpy's operations.


@inner
def mean(values):
    """The mean, float64."""
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total / values.size


@inner
def add(values, to):
    """to += values."""
    for i in range(values.size):
        to[i] += values[i]


@inner
def largest(buffer):
    """Largest entry; destroys the buffer. Folding halves vectorises, a plain maximum does not."""
    width = buffer.size
    while width > 1:
        half = (width + 1) // 2
        for j in range(width - half):
            a, b = buffer[j], buffer[j + half]
            buffer[j] = a if a > b else b
        width = half
    return buffer[0]

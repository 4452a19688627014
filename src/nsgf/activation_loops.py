"""The exponential of SELU and ELU, float32, in a compiled vector loop.

Networks in the plane spend a third of a sample's time in torch's; this takes a third of that, and
computes alike on all processors for which it is compiled alike.
"""

from functools import partial

import numpy as np

from nsgf import compiled

LOG2E, HIGH, LOW = map(np.float32, (1.4426950408889634, 0.693359375, -2.12194440e-4))
# Cephes's polynomial for (e^r - 1 - r) / r^2, the highest power first.
P5, P4, P3, P2, P1, P0 = map(
    np.float32,
    (
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    ),
)
LEAST, ZERO, HALF, ONE = map(np.float32, (-87.0, 0.0, 0.5, 1.0))  # e^-87 is 1.6e-38
BIAS, MANTISSA = np.int32(127), np.int32(23)


# Without fast-math, which takes it that nothing is nan: a training that diverges must say so.
@partial(compiled.kernel, parallel=False, fastmath=False)
def elu(x, out, scale, negative, inside):
    """out = scale x where x > 0, else negative (e^(inside x) - 1); all (n,), x may be nan."""
    for i in range(x.size):
        # min(inside x, 0) = k ln 2 + r, |r| < 0.35: Cody and Waite's reduction.
        y = inside * x[i]
        y = y if y < ZERO else ZERO
        y = y if y > LEAST else LEAST
        k = np.floor(y * LOG2E + HALF)
        r = (y - k * HIGH) - k * LOW
        p = ((((P5 * r + P4) * r + P3) * r + P2) * r + P1) * r + P0
        power = np.int32((np.int32(k) + BIAS) << MANTISSA).view(np.float32)
        below = negative * (power * (p * r * r + r) + (power - ONE))
        out[i] = below if x[i] <= ZERO else scale * x[i]


def compile_all() -> None:
    """The loop with the types that it is called with (`nsgf.compiled`)."""
    x, out, one = np.zeros(8, np.float32), np.zeros(8, np.float32), np.float32(1)
    elu(x, out, one, one, one)

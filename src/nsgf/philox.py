"""Philox4x32-10 and what is made of its words, in torch's operations: the same on every device.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). Block b of draw k are the
four words of 32 bits for the counter (b, k), 64 bits each, under a key of 64 bits.
`nsgf.philox_loops` makes the same numbers on a CPU, bit for bit: every operation is one of IEEE's,
in one order, and none is fused with the next.
"""

import math

import numpy as np
import torch
from torch import Tensor

MULTIPLIERS, BUMPS, ROUNDS = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85), 10
LOW = 0xFFFFFFFF
CHUNK = 1 << 20  # blocks of normals at a time: whole numbers take ten times their memory
WIDE = 1 << 20  # integers below a larger bound take two words each
# Series of sin(2 pi r) and cos(2 pi r) for |r| <= 1/8 and of log((1 + q) / (1 - q)) for |q| <= .18,
# cut off below the last bit of float32.
SINE = [(-1.0) ** k * math.tau ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(5)]
COSINE = [(-1.0) ** k * math.tau ** (2 * k) / math.factorial(2 * k) for k in range(6)]
LOGARITHM = [2 / (2 * k + 1) for k in range(5)]
ROOT_HALF, MANTISSA = 0x3F3504F3, 23  # sqrt(1/2) as bits; bits of a mantissa


def words(blocks: Tensor, draw: int, key: int | Tensor) -> list[Tensor]:
    """The four words of each block, in [0, 2^32): int64, as `blocks` and `key` together broadcast.

    Args:
        blocks: their numbers, int64. key: one for all, or one for each, int64 and not negative.
    """
    c0, c1 = blocks & LOW, blocks >> 32
    c2, c3 = torch.full_like(blocks, draw & LOW), torch.full_like(blocks, draw >> 32)
    k0, k1 = key & LOW, key >> 32
    for _ in range(ROUNDS):
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1 = ((p1 >> 32) & LOW) ^ c1 ^ k0, p1 & LOW
        c2, c3 = ((p0 >> 32) & LOW) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + BUMPS[0]) & LOW, (k1 + BUMPS[1]) & LOW
    return [c0, c1, c2, c3]


def _from(first: int, count: int, draw: int, key: int, device: torch.device) -> list[Tensor]:
    """The words of `count` blocks from `first` on, (count,) each."""
    return words(torch.arange(first, first + count, device=device), draw, key)


def uniform(first: int, count: int, draw: int, key: int, device: torch.device) -> Tensor:
    """Multiples of 2^-24 in [0, 1), float32, four a block."""
    return torch.stack(
        [(w >> 8).float() * 2**-24 for w in _from(first, count, draw, key, device)], 1
    ).flatten()


def integers(
    high: int, first: int, count: int, draw: int, key: int, device: torch.device
) -> Tensor:
    """Integers in [0, high), int64: four a block, two where `high` is above WIDE.

    Their chances differ by less than high / 2^32, or high / 2^53.
    """
    w = _from(first, count, draw, key, device)
    if high <= WIDE:
        return torch.stack([(word * high) >> 32 for word in w], 1).flatten()
    pairs = [(w[0] >> 5, w[1] >> 6), (w[2] >> 5, w[3] >> 6)]
    parts = [((a * 2**26 + b).double() * 2.0**-53 * high).long() for a, b in pairs]
    return torch.stack(parts, 1).flatten().clamp_(max=high - 1)


def normal(first: int, count: int, draw: int, key: int, device: torch.device) -> Tensor:
    """N(0, 1), float32, four a block."""
    parts = [
        normals_of(_from(at, min(CHUNK, first + count - at), draw, key, device)).flatten()
        for at in range(first, first + max(count, 1), CHUNK)
    ]
    return torch.cat(parts)


def normals_of(w: list[Tensor]) -> Tensor:
    """N(0, 1), float32, (..., 4), of blocks' words, (...) each, by the transform of Box and Muller.

    The first word of a pair is the radius, in 31 bits (no more than 6.7), the second the angle.
    """
    found = []
    for near, turn in ((w[0], w[1]), (w[2], w[3])):
        radius = _radius((near >> 1).float() * 2**-31 + 2**-32)
        found += [radius * side for side in _circle(turn)]
    return torch.stack(found, -1)


def _radius(u: Tensor) -> Tensor:
    """sqrt(-2 log u), from the exponent and a mantissa within sqrt(1/2) and sqrt(2)."""
    bits = u.view(torch.int32)
    exponent = (bits - ROOT_HALF) >> MANTISSA
    m = (bits - (exponent << MANTISSA)).view(torch.float32)
    q = (m - 1) / (m + 1)
    q2 = q * q
    log = exponent.float() * _float(math.log(2)) + q * _series(LOGARITHM, q2)
    return (log * -2).double().sqrt().float()  # torch's own may miss the last bit


def _circle(turn: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of 2 pi turn / 2^32, from the nearest quarter turn."""
    quarter = (turn + 2**29) >> 30
    r = (turn - (quarter << 30)).float() * 2**-32
    r2 = r * r
    sine, cosine = r * _series(SINE, r2), _series(COSINE, r2)
    odd = (quarter & 1) == 1
    x, y = torch.where(odd, sine, cosine), torch.where(odd, cosine, sine)
    return (
        torch.where(((quarter + 1) & 2) == 2, -x, x),
        torch.where((quarter & 2) == 2, -y, y),
    )


def _series(coefficients: list[float], x: Tensor) -> Tensor:
    """Horner's rule."""
    total = torch.full_like(x, _float(coefficients[-1]))
    for c in reversed(coefficients[:-1]):
        total = total * x + _float(c)
    return total


def _float(value: float) -> float:
    """The nearest float32."""
    return float(np.float32(value))

"""Unit directions over which a sliced distance is averaged, from a named stream.

The variance of the average over L random directions is 1/L of one's. Orthogonal blocks (Rowland et
al. 2019) and quasi-random directions (Nguyen et al. 2024) cover the sphere more evenly: the first
stay unbiased, so are these, which are turned at random.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nsgf.errors import NsgfError
from nsgf.rng import Stream

TINY = 2.0**-25  # half of a uniform number's last digit: the normal quantile of 0 is infinite


def random(count: int, d: int, numbers: Stream) -> Tensor:
    """Independent directions, uniform on the sphere, (count, d) float32."""
    return _unit(numbers.normal(count, d))


def orthogonal(count: int, d: int, numbers: Stream) -> Tensor:
    """Blocks of d directions that are orthogonal within a block, each uniform, (count, d)."""
    blocks = -(-count // d)
    q, r = torch.linalg.qr(numbers.normal(blocks, d, d).double())
    # The signs of R's diagonal make Q uniform (Haar) over all rotations (Mezzadri 2007).
    turned = q * r.diagonal(dim1=1, dim2=2).sign()[:, None, :]
    return turned.transpose(1, 2).reshape(blocks * d, d)[:count].float()


def quasi_random(count: int, d: int, numbers: Stream) -> Tensor:
    """A low-discrepancy set, turned as a whole at random, (count, d).

    In the plane equal angles, of which opposite ones tell the same; else Sobol' points through the
    normal quantile. Averages over all of them are unbiased.
    """
    if d == 2:
        places = torch.arange(count, device=numbers.device)
        angle = (places + numbers.uniform(1).double()) * (math.pi / count)
        return torch.stack([angle.cos(), angle.sin()], 1).float()
    sobol = torch.quasirandom.SobolEngine(d)
    drawn = sobol.draw(count, dtype=torch.float64).to(numbers.device)
    points = drawn + numbers.uniform(d).double()  # shifted, mod 1
    normal = torch.special.ndtri((points % 1).clamp(TINY, 1 - TINY))
    rotation = orthogonal(d, d, numbers).double()
    return _unit(normal @ rotation).float()


KINDS: dict[str, Callable[[int, int, Stream], Tensor]] = {
    "random": random,
    "orthogonal": orthogonal,
    "quasi-random": quasi_random,
}


def directions(kind: str, count: int, d: int, numbers: Stream) -> Tensor:
    """`count` unit directions of R^d, (count, d) float32.

    Args:
        kind: random, orthogonal or quasi-random.
        numbers: a named stream, on whose device they are.

    Raises:
        NsgfError: there is no such kind.
    """
    if kind not in KINDS:
        raise NsgfError(f"unknown kind of directions '{kind}'", f"known: {', '.join(KINDS)}")
    return KINDS[kind](count, d, numbers).to(numbers.device)


def _unit(x: Tensor) -> Tensor:
    """Rows of length 1. Two normals of one draw are both 0 once in millions: the plane has then no
    direction, and the first axis is taken."""
    length = x.norm(dim=1, keepdim=True)
    first = torch.eye(1, x.shape[1], dtype=x.dtype, device=x.device)
    return torch.where(length > 0, x / length, first)

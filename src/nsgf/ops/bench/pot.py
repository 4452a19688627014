"""POT's Sinkhorn in the log domain, with its own stopping rule.

It works in float64, its habit: in float32 its threshold of 1e-9 lies below rounding, and every
problem takes all its iterations.
"""

import warnings

import ot
import torch
from torch import Tensor

from nsgf.ot.coupling import half_squared_distance

STOP = 1e-9  # POT's default


def velocity(x: Tensor, y: Tensor, blur: float, iterations: int) -> Tensor:
    """T_xy - T_xx from row-normalised plans, x's shape and dtype; x and y (n, d) or (B, n, d)."""
    if x.dim() == 3:
        return torch.stack([velocity(*pair, blur, iterations) for pair in zip(x, y, strict=True)])
    wide, target = x.double(), y.double()
    difference = _project(wide, target, blur, iterations) - _project(wide, wide, blur, iterations)
    return difference.to(x.dtype)


def _project(x: Tensor, y: Tensor, blur: float, iterations: int) -> Tensor:
    cost = half_squared_distance(x, y)
    a, b = (cost.new_full((size,), 1 / size) for size in cost.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it did not converge: its error shows it
        plan = ot.sinkhorn(
            a,
            b,
            cost,
            blur**2,
            method="sinkhorn_log",
            numItermax=int(iterations),
            stopThr=STOP,
        )
    return plan / plan.sum(1, keepdim=True) @ y

"""Exact Wasserstein distances between uniform point clouds, by POT."""

import ot
import torch
from torch import Tensor

from nsgf.ot.coupling import half_squared_distance


def squared_w2(x: Tensor, y: Tensor) -> float:
    """W_2^2 with cost |x - y|^2, data units squared; x (n, d), y (m, d), tensors or arrays."""
    x, y = (torch.as_tensor(points).double() for points in (x, y))
    cost = 2 * half_squared_distance(x, y)
    # POT wants explicit weights only where they are not uniform.
    return float(ot.emd2([], [], cost.numpy(), numItermax=10_000_000))

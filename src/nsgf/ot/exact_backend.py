"""Exact optimal transport as a backend: the flow of W_2^2 / 2, to which that of S tends as blur
falls to 0.

T_xy is the barycentric projection of an optimal plan, T_xx the identity; blur, tol and scaling have
no say. POT's network simplex solves each problem of a batch on one core, in about n^2.3.
"""

import ot
import torch
from torch import Tensor

from nsgf.ot.coupling import Coupling, half_squared_distance
from nsgf.ot.error import Bound


def across(x: Tensor, y: Tensor, blur: float, **_) -> Coupling:
    """An optimal plan between x (B, n, d) and y (B, m, d), uniform weights."""
    moved, costs = torch.empty_like(x), []
    for k, (a, b) in enumerate(zip(x.double().cpu(), y.double().cpu(), strict=True)):
        cost = half_squared_distance(a, b)
        plan = torch.from_numpy(ot.emd([], [], cost.numpy(), numItermax=10_000_000))
        moved[k] = len(a) * plan @ b - a
        costs.append(float((plan * cost).sum()))
    return _exactly(moved, torch.tensor(costs, dtype=torch.float64, device=x.device))


def within(x: Tensor, blur: float, **_) -> Coupling:
    """x (B, n, d) with itself: nothing moves."""
    return _exactly(torch.zeros_like(x), x.new_zeros(len(x), dtype=torch.float64))


def _exactly(moved: Tensor, cost: Tensor) -> Coupling:
    nothing = torch.zeros_like(cost)
    about = nothing.unsqueeze(-1).expand(-1, 6)
    return Coupling(moved, cost, nothing, about, Bound(nothing, nothing, nothing))

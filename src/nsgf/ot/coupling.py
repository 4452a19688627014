"""One entropic problem, solved: what every Sinkhorn backend returns."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Coupling:
    """The entropic plan between x and y, uniform weights, cost |x - y|^2 / 2.

    Attributes:
        projection: barycentric projection T(x_i) = sum_j pi(j | i) y_j, x's shape.
        cost: semi-dual value of W_eps, (), or (B,) for a batch; data units squared.
        marginal_error: sum_j |sum_i pi_ij - 1/m|, the part of the mass that lies in the wrong
            columns (rows are exact by construction), () or (B,).
    """

    projection: Tensor
    cost: Tensor
    marginal_error: Tensor


def couple(x: Tensor, y: Tensor, g: Tensor, blur: float) -> Coupling:
    """The plan that a dual potential g on y implies, its rows normalised exactly.

    pi(j | i) = softmax_j((g_j - |x_i - y_j|^2 / 2) / eps): the soft c-transform gives f and with it
    the first marginal, whatever g is; the second marginal shows how far g is from optimal.

    Args:
        x: (..., n, d). y: (..., m, d). g: (..., m). All of one dtype.
        blur: square root of eps, data units.
    """
    eps, m = blur**2, y.shape[-2]
    logits = (g.unsqueeze(-2) - half_squared_distance(x, y)) / eps
    weights = torch.softmax(logits, -1)
    columns = weights.mean(-2)
    f = -eps * (torch.logsumexp(logits, -1) - math.log(m))
    return Coupling(
        projection=weights @ y,
        cost=f.mean(-1) + g.mean(-1),
        marginal_error=(columns - 1 / m).abs().sum(-1),
    )


def half_squared_distance(x: Tensor, y: Tensor) -> Tensor:
    """|x_i - y_j|^2 / 2, (..., n, m), from one matrix product.

    Both clouds are centred on x's mean first: distances are unchanged, and the product no longer
    cancels when the clouds are far from the origin.
    """
    centre = x.mean(-2, keepdim=True)
    x, y = x - centre, y - centre
    squares = x.square().sum(-1).unsqueeze(-1) + y.square().sum(-1).unsqueeze(-2)
    return (squares / 2 - x @ y.transpose(-1, -2)).clamp_min(0)

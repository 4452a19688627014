"""One entropic problem, solved: what every Sinkhorn backend returns."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nsgf.ot.error import Bound, moments


@dataclass(frozen=True)
class Coupling:
    """The entropic plan between x and y, uniform weights, cost |x - y|^2 / 2.

    Attributes:
        displacement: T(x) - x with T(x_i) = sum_j pi(j | i) y_j, x's shape.
        cost: semi-dual value of W_eps, float64, (B,), data units squared.
        marginal_error: sum_j |sum_i pi_ij - 1/m|, the part of the mass that lies in the wrong
            columns (rows are exact by construction), float64, (B,).
        about: moments of both clouds (`nsgf.ot.error.moments`), (B, 6).
        bound: on the projection's error.
        iterations: passes over the cost or the plan, worst problem; None if the backend hides it.
        potential: on y, what `start` of the same backend takes, (B, m); None if it takes none.
    """

    displacement: Tensor
    cost: Tensor
    marginal_error: Tensor
    about: Tensor
    bound: Bound
    iterations: int | None = None
    potential: Tensor | None = None


def couple(x: Tensor, y: Tensor, g: Tensor, blur: float) -> Coupling:
    """The plan that a dual potential g on y implies, its rows normalised exactly.

    pi(j | i) = softmax_j((g_j - |x_i - y_j|^2 / 2) / eps): the soft c-transform gives f and with it
    the first marginal, whatever g is; the second marginal shows how far g is from optimal.

    Args:
        x: (B, n, d). y: (B, m, d). g: (B, m). All of one dtype.
        blur: square root of eps, data units.
    """
    eps, m, centre = blur**2, y.shape[-2], x.mean(-2, keepdim=True)
    x, y = x - centre, y - centre
    logits = (g.unsqueeze(-2) - half_squared_distance(x, y)) / eps
    weights = torch.softmax(logits, -1)
    error = (weights.mean(-2) - 1 / m).abs().sum(-1).double()
    projection, f = weights @ y, -eps * (torch.logsumexp(logits, -1) - math.log(m))
    about = moments(weights, *(points.square().sum(-1) for points in (projection, x, y)))
    return Coupling(
        displacement=projection - x,
        cost=(f.mean(-1) + g.mean(-1)).double(),
        marginal_error=error,
        about=about,
        bound=Bound.of(weights, eps, about, error),
    )


FEW_DIMENSIONS = 8  # in more, a matrix product beats differences


def half_squared_distance(x: Tensor, y: Tensor) -> Tensor:
    """|x_i - y_j|^2 / 2, (..., n, m), for x (..., n, d) and y (..., m, d).

    In few dimensions by differences, exact to rounding. Else from one matrix product, both clouds
    centred on x's mean first: distances are unchanged, and the product no longer cancels when the
    clouds are far from the origin.
    """
    if x.shape[-1] <= FEW_DIMENSIONS:
        columns = zip(x.unbind(-1), y.unbind(-1), strict=True)
        gaps = ((a.unsqueeze(-1) - b.unsqueeze(-2)).square_() for a, b in columns)
        return functools.reduce(Tensor.add_, gaps).mul_(0.5)
    centre = x.mean(-2, keepdim=True)
    return from_gram(*_gram(x - centre, y - centre))


def from_gram(xx: Tensor, yy: Tensor, xy: Tensor) -> Tensor:
    """|x_i - y_j|^2 / 2 from |x_i|^2 (..., n), |y_j|^2 (..., m) and <x_i, y_j> (..., n, m)."""
    halves = (xx / 2).unsqueeze(-1) + (yy / 2).unsqueeze(-2)
    return halves.sub_(xy).clamp_min_(0)


def _gram(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return x.square().sum(-1), y.square().sum(-1), x @ y.transpose(-1, -2)

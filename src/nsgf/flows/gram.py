"""The Sinkhorn flow in Gram space: a trajectory that costs nothing in the dimension.

A velocity is a combination of target points and of particles, v = P y - S x, so the particles never
leave the span of start and target: with Z = I - eta S,

    x' = Z x + eta P y,   <x', y> = Z <x, y> + eta P <y, y>,
    <x', x'> = Z <x, x> Z' + eta (Z <x, y> P' + P <y, x> Z') + eta^2 P <y, y> P'.

Distances, hence plans, follow from three Gram matrices at the start; no step touches a point.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nsgf.errors import NsgfError
from nsgf.ot.coupling import from_gram
from nsgf.ot.newton import solve, solve_symmetric
from nsgf.ot.schedule import Solution
from nsgf.ot.sinkhorn import demand


@dataclass(frozen=True)
class GramStep:
    """The velocity at one state, as coefficients: v = across @ y - within @ x.

    Attributes:
        across: row-normalised plan from particles to targets, (B, n, m).
        within: row-normalised plan of the particles with themselves, (B, n, n), or None where it is
            the identity to rounding.
        divergence: S(x, y), float64, (B,), data units squared.
        marginal_error: of the worse of the two plans, float64, (B,).
        iterations: passes over a matrix, worst problem.
    """

    across: Tensor
    within: Tensor | None
    divergence: Tensor
    marginal_error: Tensor
    iterations: int

    def moved(self, x: Tensor, amount: float) -> Tensor:
        """(I - amount * within) x, for anything with a row for each particle, (B, n, k)."""
        if self.within is None:
            return (1 - amount) * x
        return x - amount * (self.within @ x)


@torch.no_grad()
def gram_flow(
    x0: Tensor,
    y: Tensor,
    blur: float,
    step_size: float,
    n_steps: int,
    tol: float = 1e-3,
    flag: bool = False,
) -> Iterator[GramStep]:
    """The plans along a flow from x0 (B, n, d) to y (B, m, d); arguments as in `sinkhorn_flow`.

    Raises:
        NotConverged: a step's marginal error stayed above tol, and `flag` is off.
        NsgfError: a coordinate is nan or infinite.
    """
    eps, eta = blur**2, step_size
    if not bool(x0.isfinite().all() and y.isfinite().all()):
        raise NsgfError("x0 or y is not finite", "look for nan and inf in them")
    # Each cloud on its own mean, as rows of plans sum to one: plans stay, and the distance of the
    # means, which shrinks by 1 - eta a step, costs no digits.
    to, at = x0.mean(-2, keepdim=True), y.mean(-2, keepdim=True)
    apart = (to - at).double().square().sum((-1, -2)) / 2
    x0, y = x0 - to, y - at
    xx, xy, yy = x0 @ x0.mT, x0 @ y.mT, y @ y.mT
    squares = yy.diagonal(dim1=-2, dim2=-1)
    target = _with_itself(yy, eps, tol)
    constant = target.f.mean(-1)
    start = None
    for k in range(n_steps):
        norms = xx.diagonal(dim1=-2, dim2=-1)
        across = solve(from_gram(norms, squares, xy), eps, tol, start)
        start = (1 - eta) * across.g
        within = _with_itself(xx, eps, tol)
        error = torch.maximum(across.error, within.error)
        if not flag:
            demand(torch.maximum(error, target.error), tol)
        energy = across.f.mean(-1) + across.g.mean(-1) - within.f.mean(-1)
        leaves = 1 - within.plan.diagonal(dim1=-2, dim2=-1)
        step = GramStep(
            across=across.plan,
            within=within.plan if bool((leaves > torch.finfo(xx.dtype).eps).any()) else None,
            divergence=energy - constant + (1 - eta) ** (2 * k) * apart,
            marginal_error=error,
            iterations=across.iterations + within.iterations,
        )
        yield step
        if k + 1 < n_steps:
            pulled = step.across @ yy
            cross = step.moved(xy, eta) @ step.across.mT
            kept = step.moved(step.moved(xx, eta).mT, eta)
            xx = kept + eta * (cross + cross.mT) + eta**2 * (pulled @ step.across.mT)
            xy = step.moved(xy, eta).add_(pulled, alpha=eta)


def _with_itself(gram: Tensor, eps: float, tol: float) -> Solution:
    norms = gram.diagonal(dim1=-2, dim2=-1)
    cost = from_gram(norms, norms, gram)
    cost.diagonal(dim1=-2, dim2=-1).zero_()  # rounding leaves some
    return solve_symmetric(cost, eps, tol)

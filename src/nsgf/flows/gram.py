"""The Sinkhorn flow in Gram space: a trajectory that costs nothing in the dimension.

A velocity is a combination of target points and of particles, v = P y - S x, so the particles never
leave the span of start and target: with Z = I - eta S,

    x' = Z x + eta P y,   <x', y> = Z <x, y> + eta P <y, y>,
    <x', x'> = Z <x, x> Z' + eta (Z <x, y> P' + P <y, x> Z') + eta^2 P <y, y> P'.

Distances, hence plans, follow from three Gram matrices at the start; no step touches a point.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nsgf.errors import NsgfError
from nsgf.flows.scale import for_each
from nsgf.ot.coupling import from_gram
from nsgf.ot.error import COARSE, Bound, first_goal, fitting_goal, moments, relative, speed
from nsgf.ot.newton import loops_for, solve, solve_symmetric, without_rest
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
        error: of the velocity, as in `nsgf.ot.Velocity`, float64, (B,).
        iterations: passes over a matrix, worst problem.
    """

    across: Tensor
    within: Tensor | None
    divergence: Tensor
    error: Tensor
    iterations: int

    def moved(self, x: Tensor, amount: float) -> Tensor:
        """(I - amount * within) x, for anything with a row for each particle, (B, n, k)."""
        return x - amount * (x if self.within is None else self.within @ x)


@torch.no_grad()
def gram_flow(
    x0: Tensor,
    y: Tensor,
    blur: float,
    step_size: float | Sequence[float],
    n_steps: int,
    tol: float = 1e-3,
    flag: bool = False,
) -> Iterator[GramStep]:
    """The plans along a flow from x0 (B, n, d) to y (B, m, d); arguments as in `sinkhorn_flow`.

    Where tol is missed it is solved on in the same precision, and only towards the targets; the
    rounding that inner products gather from step to step is in no bound.

    Raises:
        NotConverged: a velocity's error stayed above tol, and `flag` is off.
        NsgfError: a coordinate is nan or infinite.
    """
    eps, sizes = blur**2, for_each(step_size, n_steps)
    # Each cloud on its own mean, as rows of plans sum to one: plans stay, and the distance of the
    # means, which shrinks by 1 - eta a step, costs no digits.
    to, at = x0.mean(-2, keepdim=True), y.mean(-2, keepdim=True)
    apart = (to - at).double().square().sum((-1, -2)) / 2
    x0, y = x0 - to, y - at
    xx, xy, yy = x0 @ x0.mT, x0 @ y.mT, y @ y.mT
    if not all(bool(gram.diagonal(dim1=-2, dim2=-1).isfinite().all()) for gram in (xx, yy)):
        raise NsgfError("x0 or y is not finite", "look for nan and inf in them")
    fine = first_goal(tol, x0)
    target, start = _with_itself(yy, eps, fine), None
    if not flag:
        demand(target.error, tol, "the target's own plan")
    constant, goal = target.f.mean(-1), fine
    for k, eta in enumerate(sizes):
        within = _with_itself(xx, eps, fine)
        here = _Products(xx, xy, yy, without_rest(within.plan))
        across, error, goal = here.solved(eps, tol, apart, goal, start, within)
        start, goal = (1 - eta) * across.g, (1 - eta) * goal
        if not flag:
            demand(error, tol)
        energy = across.f.mean(-1) + across.g.mean(-1) - within.f.mean(-1)
        if not bool(energy.isfinite().all()):
            raise NsgfError("x0 or y is too large for its precision", "give float64, or scale them")
        step = GramStep(
            across=across.plan,
            within=here.within,
            divergence=energy - constant + apart,
            error=error,
            iterations=across.iterations + within.iterations,
        )
        yield step
        if k + 1 < n_steps:
            xx, xy = here.moved(step, eta)
            apart = (1 - eta) ** 2 * apart


class _Products:
    """Inner products at one state, and those with the projections of its particles.

    Args:
        xx, xy, yy: between particles (B, n, n), particles and targets (B, n, m), targets.
        within: the plan of the particles with themselves, None for the identity.
    """

    def __init__(self, xx: Tensor, xy: Tensor, yy: Tensor, within: Tensor | None):
        self._xx, self._xy, self._yy, self.within = xx, xy, yy, within
        self._sx = xx if within is None else within @ xx  # <S x, x>

    def solved(
        self,
        eps: float,
        tol: float,
        apart: Tensor,
        goal: Tensor,
        start: Tensor | None,
        within: Solution,
    ) -> tuple[Solution, Tensor, Tensor]:
        """The plan to the targets, the velocity's error, (B,), and the `fitting_goal`.

        Solved on where the error is over tol; what becomes of a problem does not depend on the
        others of its batch.
        """
        norms, squares = (g.diagonal(dim1=-2, dim2=-1) for g in (self._xx, self._yy))
        cost = from_gram(norms, squares, self._xy)
        across = solve(cost, eps, goal, start)
        bounds, speeds = self._judged(across, within, eps, apart)
        error, goal = relative(bounds, speeds), fitting_goal(tol, speeds, bounds)
        hard = torch.nonzero(~(error <= tol)).squeeze(-1)
        if len(hard):
            better = solve(cost[hard], eps, goal[hard], across.g[hard])
            for name in ("plan", "f", "g", "error"):
                getattr(across, name)[hard] = getattr(better, name)
            across = replace(across, iterations=across.iterations + better.iterations)
            error = relative(*self._judged(across, within, eps, apart))
        return across, error, goal.clamp_max(COARSE * tol)

    def _judged(
        self, across: Solution, within: Solution, eps: float, apart: Tensor
    ) -> tuple[list[Bound], Tensor]:
        """Bounds on both projections, and the speeds that errors are relative to."""
        norms, squares = (g.diagonal(dim1=-2, dim2=-1) for g in (self._xx, self._yy))
        project = loops_for(norms).project
        self._py = project(across.plan, self._yy)  # <P y, y>
        self._px = project(across.plan, self._xy.mT)  # <P y, x>
        pulled = (self._py * across.plan).sum(-1)  # |P y|^2
        kept, both = norms, self._px.diagonal(dim1=-2, dim2=-1)
        if self.within is not None:
            kept = (self._sx * self.within).sum(-1)  # |S x|^2
            both = (self._px * self.within).sum(-1)  # <P y, S x>
        about = moments(across.plan, pulled, norms, squares)
        itself = moments(within.plan, kept, norms, norms)
        bounds = [
            Bound.of(across.plan, eps, about, across.error),
            Bound.of(within.plan, eps, itself, within.error, symmetric=True),
        ]
        return bounds, speed((pulled - 2 * both + kept).mean(-1) + 2 * apart, about)

    def moved(self, step: GramStep, eta: float) -> tuple[Tensor, Tensor]:
        """<x, x> and <x, y> after a step; `solved` comes before."""
        cross = step.moved(self._px.mT, eta)
        kept = step.moved((self._xx - eta * self._sx).mT, eta)
        pulled = loops_for(self._xx).project(step.across, self._py.mT)
        xx = kept + eta * (cross + cross.mT) + eta**2 * pulled
        return xx, step.moved(self._xy, eta).add_(self._py, alpha=eta)


def _with_itself(gram: Tensor, eps: float, fine: Tensor) -> Solution:
    norms = gram.diagonal(dim1=-2, dim2=-1)
    cost = from_gram(norms, norms, gram)
    cost.diagonal(dim1=-2, dim2=-1).zero_()  # rounding leaves some
    return solve_symmetric(cost, eps, fine)

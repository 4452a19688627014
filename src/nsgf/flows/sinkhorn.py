"""The particle flow of the Sinkhorn divergence, by explicit Euler steps.

X <- X + eta v(X),  v = T_{X->Y} - T_{X->X},  Y fixed along the trajectory (NSGF, Eq. 14, App. A).

Beyond the paper: another blur at each step, and other self terms than T_{X->X} of X itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nsgf.errors import NsgfError
from nsgf.flows.gram import gram_flow
from nsgf.flows.scale import for_each
from nsgf.ot.newton import loops_for
from nsgf.ot.sinkhorn import DEFAULT_BACKEND, checked, self_cost, tensors, velocity

GRAM_FROM = 512  # dimensions from which inner products are cheaper than points


@dataclass(frozen=True)
class Trajectory:
    """A discretised flow of T steps.

    Attributes:
        x: states before each step, (T, ..., n, d), data units.
        v: velocity at each state, (T, ..., n, d), data units per unit flow time.
        end: the state after the last step, (..., n, d).
        divergence: S(x_k, y), (T,) or (T, B), data units squared.
        error: of each velocity, as in `nsgf.ot.Velocity`, (T,) or (T, B).
        iterations: passes over a matrix that each step took; None if the backend does not tell.
        converged: whether every step's error was within tol.
    """

    x: Tensor
    v: Tensor
    end: Tensor
    divergence: Tensor
    error: Tensor
    iterations: tuple[int | None, ...]
    converged: bool


@torch.no_grad()
def sinkhorn_flow(
    x0: Tensor,
    y: Tensor,
    blur: float | Sequence[float],
    step_size: float | Sequence[float],
    n_steps: int,
    tol: float = 1e-3,
    *,
    backend: str = DEFAULT_BACKEND,
    scaling: float = 0.95,
    flag: bool = False,
    self_term: Literal["same", "masked", "second"] = "same",
    through_gram: bool | None = None,
) -> Trajectory:
    """Move particles down S(., y) for `n_steps` steps (NSGF, Algorithm 1 a).

    Args:
        x0: starting particles, (n, d) or (B, n, d), data units.
        y: target samples, (m, d) or (B, m, d).
        blur: square root of the entropic regularisation, data units; one, or one for each step.
        step_size: eta, units of flow time; one for all steps, or a sequence of one for each.
        n_steps: T.
        tol, backend, scaling, flag: as in `nsgf.ot.velocity`.
        self_term: same; masked, as in `nsgf.ot.velocity`; or second: the batch's second half are
            further draws of the problems of the first, in their order, and each problem's self term
            is taken from its other draw.
        through_gram: whether to follow inner products instead of points (`nsgf.flows.gram`, our
            solver, one blur and self term same only); by default in GRAM_FROM dimensions and more.

    Raises:
        NotConverged: a velocity's error stayed above tol.
        NsgfError: shapes or dtypes do not fit, there is no step or not a size for each, the batch
            has no second half, or `through_gram` is asked of what cannot.
    """
    sizes, blurs = for_each(step_size, n_steps), for_each(blur, n_steps, "blurs")
    is_plain = backend == DEFAULT_BACKEND and self_term == "same" and len(set(blurs)) == 1
    if through_gram and not is_plain:
        raise NsgfError(
            "Gram space is for our own solver, one blur and self term same",
            "leave through_gram out",
        )
    x0, y = tensors(x0, y)
    if self_term == "second" and (x0.dim() != 3 or len(x0) % 2):
        raise NsgfError(
            f"x {tuple(x0.shape)} is no batch of problems and of second draws of each",
            "give (2 B, n, d)",
        )
    if through_gram is None:
        through_gram = is_plain and x0.shape[-1] >= GRAM_FROM
    flow = _through_gram if through_gram else _directly
    options = {"tol": tol, "backend": backend, "scaling": scaling}
    if not through_gram:
        options["self_term"] = self_term
    xs, vs = (x0.new_empty(k, *x0.shape) for k in (n_steps + 1, n_steps))
    xs[0], found = x0, []
    for k, (v, *rest) in enumerate(flow(xs, y, blurs, sizes, flag=flag, **options)):
        vs[k] = v
        torch.add(xs[k], sizes[k] * v, out=xs[k + 1])
        found.append(rest)
    divergences, errors, iterations = zip(*found, strict=True)
    errors = torch.stack(errors)
    return Trajectory(
        x=xs[:-1],
        v=vs,
        end=xs[-1],
        divergence=torch.stack(divergences),
        error=errors,
        iterations=iterations,
        converged=bool((errors <= tol).all()),
    )


def _directly(xs, y, blurs, sizes, *, tol, flag, self_term, **options):
    """Velocity, divergence, error and iterations at each state, which the caller has in `xs`."""
    options |= {"flag": flag, "masked": self_term == "masked"}
    start, goal, half = None, None, len(y) // 2
    constants = {blur: self_cost(y, blur, tol, **options) / 2 for blur in set(blurs)}
    for k, (blur, eta) in enumerate(zip(blurs, sizes, strict=True)):
        other = xs[k].roll(half, 0) if self_term == "second" else None
        step = velocity(xs[k], y, blur, tol, start=start, goal=goal, other=other, **options)
        yield step.v, step.energy - constants[blur], step.error, step.iterations
        # Exact for eps -> 0: a geodesic's remaining displacement shrinks by this factor.
        goal = (1 - eta) * step.goal
        if step.potential is not None:
            start = (1 - eta) * step.potential


def _through_gram(xs, y, blurs, sizes, *, tol, flag, **_):
    """The same, from inner products: only the velocities themselves are made in full."""
    shape, blur = xs[0].shape, blurs[0]
    x, y = checked(xs[0], y, blur, tol)
    project = loops_for(x).project
    for k, step in enumerate(gram_flow(x, y, blur, sizes, len(sizes), tol, flag)):
        x = xs[k].view_as(x)
        kept = x if step.within is None else project(step.within, x)
        yield (
            (project(step.across, y) - kept).view(shape),
            step.divergence.reshape(shape[:-2]),
            step.error.reshape(shape[:-2]),
            step.iterations,
        )

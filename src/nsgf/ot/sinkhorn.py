"""Sinkhorn divergence and its Wasserstein gradient.

S(a, b) = W(a, b) - W(a, a)/2 - W(b, b)/2,  cost c(x, y) = |x - y|^2 / 2,  eps = blur^2.

The paper writes c = |x - y|^2: its eps is 2 blur^2 and its velocity twice ours. The gradient of the
W(a, b) potential is x - T_ab(x) with T the barycentric projection, so steepest descent of S moves
every particle by T_ab(x) - T_aa(x) per unit time (NSGF, Theorem 1 and Eq. 13).
"""

from dataclasses import dataclass, replace
from types import ModuleType

import torch
from torch import Tensor

from nsgf.errors import NotConverged, NsgfError
from nsgf.ot.error import COARSE, Bound, first_goal, fitting_goal, relative, speed
from nsgf.ot.schedule import FLOOR
from nsgf.registry import BACKENDS, lookup, module_of

FIXED_EFFORT = ("geomloss", "geomloss-online")  # stop by their own schedule: tol cannot bind them
DEFAULT_BACKEND = "newton"


@dataclass(frozen=True)
class Velocity:
    """The steepest-descent velocity of S(., y) and how well it was computed.

    Attributes:
        v: velocity of every particle, x's shape, data units per unit flow time.
        energy: W(x, y) - W(x, x)/2, float64, () or (B,); S is this less W(y, y)/2, constant along a
            flow.
        error: bound on |v - v*| / |v*|, both norms over all particles, float64, () or (B,); where
            |v*| is small, relative to the norm of particles as fast as a thousandth of the clouds'
            size (`nsgf.ot.error`).
        marginal_error: mass in wrong columns of the worse of the two plans, in [0, 2], float64,
            () or (B,).
        iterations: passes over a cost or plan matrix for both plans, worst problem; None if the
            backend does not tell.
        converged: whether every error is within tol.
        potential: a start for the next, similar problem (`start`), or None.
        goal: marginal error that would have done for tol: what to ask of that problem (`goal`).
    """

    v: Tensor
    energy: Tensor
    error: Tensor
    marginal_error: Tensor
    iterations: int | None
    converged: bool
    potential: Tensor | None
    goal: Tensor


@torch.no_grad()
def velocity(
    x: Tensor,
    y: Tensor,
    blur: float,
    tol: float = 1e-3,
    *,
    backend: str = DEFAULT_BACKEND,
    scaling: float = 0.95,
    start: Tensor | None = None,
    goal: Tensor | None = None,
    flag: bool = False,
    masked: bool = False,
    other: Tensor | None = None,
) -> Velocity:
    """Steepest-descent velocity of S(., y) at every particle (NSGF, Eq. 13).

    Args:
        x: particles, (n, d) or (B, n, d), data units, float32 or float64; an array will do.
        y: target samples, (m, d) or (B, m, d).
        blur: square root of the entropic regularisation, data units, > 0.
        tol: largest accepted `error`; a backend of fixed effort ignores it and comes back flagged
            (`converged` False).
        backend: name of the solver.
        scaling: GeomLoss's annealing ratio, in (0, 1).
        start: `potential` of a similar problem; along a flow, times 1 - eta.
        goal: its `goal`, likewise, (B,); saves passes where it is right, and is made good where
            not. Other backends than ours ignore it.
        flag: return a result above tol with `converged` False instead of raising.
        masked: whether no particle keeps mass in the self term's plan; our solver only.
        other: points (B, n', d) or (n', d) in the place of x in the self term, such as a second
            draw of its law: v = T_xy - T_xo.

    Raises:
        NotConverged: the error's bound stayed above tol.
        NsgfError: shapes or dtypes do not fit, a value lies outside its range, or `masked` is asked
            of another solver, or of fewer than two particles.
    """
    x, y = tensors(x, y)
    x_batch, y_batch = checked(x, y, blur, tol)
    solver = _backend(backend)
    if start is not None and start.shape != (len(x_batch), y_batch.shape[-2]):
        raise NsgfError(
            f"start {tuple(start.shape)} is not (B, m) for y {tuple(y.shape)}",
            "give the potential of a problem with as many points",
        )
    if start is not None and not bool(start.isfinite().all()):
        raise NsgfError("start is not finite", "look for nan and inf in it")
    fine = first_goal(tol, x_batch)
    if goal is not None and backend == DEFAULT_BACKEND:  # others would not make good a poor one
        if goal.shape != fine.shape:
            raise NsgfError(
                f"goal {tuple(goal.shape)} is not (B,) for x {tuple(x.shape)}",
                "give that of a problem with as many members",
            )
        fine = goal.double()
    o_batch = None if other is None else checked(x, *tensors(other), blur, tol)[1]
    if masked and (backend != DEFAULT_BACKEND or x.shape[-2] < 2):
        raise NsgfError("masked needs our own solver, and two particles", "leave it out")
    effort = {"fine": fine, "scaling": scaling, "backend": backend, "masked": masked}
    clouds = (x_batch, y_batch, o_batch)
    found, bounds, speeds = _attempt(solver, *clouds, blur, tol, start, effort)
    _demand_finite(found.energy)
    if backend == DEFAULT_BACKEND and not bool((found.error <= tol).all()):
        found = _refined(found, bounds, speeds, clouds, blur, tol, masked)
    if not flag and backend not in FIXED_EFFORT:
        demand(found.error, tol)
    one = {name: getattr(found, name).reshape(x.shape[:-2]) for name in PER_PROBLEM}
    converged = bool((found.error <= tol).all())
    return replace(found, v=found.v.view_as(x), converged=converged, **one)


PER_PROBLEM = ("energy", "error", "marginal_error")


def _attempt(solver, x, y, other, blur, tol, start, effort) -> tuple[Velocity, list[Bound], Tensor]:
    """Velocities of a batch, the bounds on the two projections behind them, and their speeds."""
    across = solver.across(x, y, blur, start=start, **effort)
    if other is None:
        within = solver.within(x, blur, **effort)
    else:
        within = solver.across(x, other, blur, start=None, **effort)
    v, passes = across.displacement - within.displacement, (across.iterations, within.iterations)
    bounds = [across.bound, within.bound]
    speeds = speed(v.square().sum((-2, -1)) / v.shape[-2], across.about)
    found = Velocity(
        v=v,
        energy=across.cost - within.cost / 2,
        error=relative(bounds, speeds),
        marginal_error=torch.maximum(across.marginal_error, within.marginal_error),
        iterations=None if None in passes else sum(passes),
        converged=False,
        potential=across.potential,
        goal=fitting_goal(tol, speeds, bounds).clamp_max(COARSE * tol),
    )
    return found, bounds, speeds


def _refined(found: Velocity, bounds, speeds, clouds, blur, tol, masked) -> Velocity:
    """With what the first goal did not hold solved on: small velocities, tiny blur, heavy tails.

    In its own precision where that can tell the finer goal, else in float64. What becomes of a
    problem does not depend on the others of its batch.
    """
    goal, solver, x = found.goal, _backend(DEFAULT_BACKEND), clouds[0]
    rounded = sum(bound.rounding for bound in bounds) > tol / 3 * speeds
    for dtype in dict.fromkeys((x.dtype, torch.float64)):
        hard = ~(found.error <= tol)
        if dtype != torch.float64:
            hard = hard & ~rounded & (goal >= FLOOR[dtype])
        hard = torch.nonzero(hard).squeeze(-1)
        if not len(hard):
            continue
        some = (None if z is None else z[hard].to(dtype) for z in clouds)
        start, effort = found.potential[hard], {"fine": goal[hard], "masked": masked}
        better, *_ = _attempt(solver, *some, blur, tol, start, effort)
        for name in ("v", "energy", "error", "marginal_error", "potential"):
            getattr(found, name)[hard] = getattr(better, name).to(getattr(found, name).dtype)
        if dtype != x.dtype:
            found.error[hard] += torch.finfo(x.dtype).eps  # v is rounded to it
        found = replace(found, iterations=found.iterations + better.iterations)
    return found


@torch.no_grad()
def sinkhorn_divergence(
    x: Tensor,
    y: Tensor,
    blur: float,
    tol: float = 1e-3,
    *,
    backend: str = DEFAULT_BACKEND,
    scaling: float = 0.95,
) -> Tensor:
    """S(x, y) >= 0, data units squared, float64, () or (B,) (NSGF, Definition 2).

    Raises:
        NotConverged, NsgfError: as `velocity`.
    """
    options = {"backend": backend, "scaling": scaling}
    energy = velocity(x, y, blur, tol, **options).energy
    return energy - self_cost(y, blur, tol, **options) / 2


@torch.no_grad()
def self_cost(
    y: Tensor,
    blur: float,
    tol: float = 1e-3,
    *,
    backend: str = DEFAULT_BACKEND,
    scaling: float = 0.95,
    flag: bool = False,
    masked: bool = False,
) -> Tensor:
    """W(y, y), the constant that turns a flow's energies into divergences; float64, () or (B,).

    Raises:
        NotConverged, NsgfError: as `velocity`.
    """
    (y,) = tensors(y)
    batch, _ = checked(y, y, blur, tol)
    effort = {"fine": first_goal(tol, batch), "scaling": scaling, "backend": backend}
    effort["masked"] = masked
    within = _backend(backend).within(batch, blur, **effort)
    _demand_finite(within.cost)
    if not flag and backend not in FIXED_EFFORT:
        demand(within.marginal_error, tol, "the marginal error of a cloud's own plan")
    return within.cost.reshape(y.shape[:-2])


def demand(error: Tensor, tol: float, what: str = "a velocity's error") -> None:
    """Hold errors to tol.

    Raises:
        NotConverged: one is above it.
    """
    if not bool((error <= tol).all()):
        raise NotConverged(
            f"{what} may be {float(error.max()):.2g}, above tol {tol:.2g}",
            "raise tol or blur, or give float64",
        )


def _demand_finite(values: Tensor) -> None:
    """Refuse clouds whose energies are no numbers.

    Raises:
        NsgfError: one is not.
    """
    if not bool(values.isfinite().all()):
        raise NsgfError(
            "x or y is not finite, or too large for its precision",
            "look for nan and inf in them, and scale them",
        )


def _backend(name: str) -> ModuleType:
    return module_of(lookup(BACKENDS, name, "Sinkhorn backend"))


def tensors(*points) -> list[Tensor]:
    """Points as tensors, without a copy where that is possible.

    Raises:
        NsgfError: they are neither tensors nor arrays of numbers.
    """
    try:
        return [torch.as_tensor(x) for x in points]
    except (TypeError, ValueError, RuntimeError) as error:
        raise NsgfError(f"points are no array of numbers: {error}", "give float arrays") from error


def checked(x: Tensor, y: Tensor, blur: float, tol: float) -> tuple[Tensor, Tensor]:
    """x (B, n, d) and y (B, m, d), with B = 1 for single problems.

    Raises:
        NsgfError: they do not fit each other, or blur or tol is out of range.
    """
    if not blur > 0 or not tol > 0:
        raise NsgfError(
            f"blur and tol must be positive, got {blur} and {tol}", "give blur in data units"
        )
    numbers = torch.finfo(x.dtype if x.is_floating_point() else torch.float32)
    if not numbers.tiny < blur * blur < numbers.max:
        raise NsgfError(f"blur {blur} has no square in {x.dtype}", "give blur in data units")
    fits = x.dim() == y.dim() and x.dim() in (2, 3) and x.shape[-1] == y.shape[-1]
    if not fits or (x.dim() == 3 and x.shape[0] != y.shape[0]):
        raise NsgfError(
            f"x {tuple(x.shape)} and y {tuple(y.shape)} are not (n, d) and (m, d), nor batches",
            "give both the same dimension d, and the same batch size if batched",
        )
    if x.dtype != y.dtype or x.dtype not in (torch.float32, torch.float64):
        raise NsgfError(
            f"x is {x.dtype} and y is {y.dtype}", "give both as float32 or both as float64"
        )
    if not x.numel() or not y.numel():
        raise NsgfError("x or y holds no points", "give at least one point each")
    return (x, y) if x.dim() == 3 else (x.unsqueeze(0), y.unsqueeze(0))

"""Sinkhorn divergence and its Wasserstein gradient.

S(a, b) = W(a, b) - W(a, a)/2 - W(b, b)/2,  cost c(x, y) = |x - y|^2 / 2,  eps = blur^2.

The paper writes c = |x - y|^2: its eps is 2 blur^2 and its velocity twice ours. The gradient of the
W(a, b) potential is x - T_ab(x) with T the barycentric projection, so steepest descent of S moves
every particle by T_ab(x) - T_aa(x) per unit time (NSGF, Theorem 1 and Eq. 13).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nsgf.errors import NotConverged, NsgfError
from nsgf.ot.coupling import Coupling
from nsgf.registry import BACKENDS, lookup, module_of

FIXED_EFFORT = ("geomloss",)  # stop by their own schedule: tol cannot bind them


@dataclass(frozen=True)
class Velocity:
    """The steepest-descent velocity of S(., y) and how well it was computed.

    Attributes:
        v: velocity of every particle, x's shape, data units per unit flow time.
        energy: W(x, y) - W(x, x)/2, () or (B,); S is this less W(y, y)/2, constant along a flow.
        marginal_error: mass in wrong columns of the worse of the two plans, in [0, 2], () or (B,).
        converged: whether every marginal error is within tol.
    """

    v: Tensor
    energy: Tensor
    marginal_error: Tensor
    converged: bool


def velocity(
    x: Tensor,
    y: Tensor,
    blur: float,
    tol: float = 1e-3,
    *,
    backend: str = "geomloss",
    scaling: float = 0.95,
) -> Velocity:
    """Steepest-descent velocity of S(., y) at every particle (NSGF, Eq. 13).

    Args:
        x: particles, (n, d) or (B, n, d), data units, float32 or float64.
        y: target samples, (m, d) or (B, m, d).
        blur: square root of the entropic regularisation, data units, > 0.
        tol: largest accepted marginal error; a backend of fixed effort ignores it and the result
            comes back flagged (`converged` False) instead of raising.
        backend: name of the solver.
        scaling: GeomLoss's annealing ratio, in (0, 1).

    Raises:
        NotConverged: the marginal error stayed above tol.
        NsgfError: shapes or dtypes do not fit, or a value lies outside its range.
    """
    _check(x, y, blur)
    across = _solve(x, y, blur, backend, scaling)
    within = _solve(x, x, blur, backend, scaling)
    error = torch.maximum(across.marginal_error, within.marginal_error)
    worst = float(error.max())
    if worst > tol and backend not in FIXED_EFFORT:
        raise NotConverged(
            f"Sinkhorn's marginal error stayed at {worst:.2g}, above tol {tol:.2g}",
            "raise tol or blur",
        )
    return Velocity(
        v=across.projection - within.projection,
        energy=across.cost - within.cost / 2,
        marginal_error=error,
        converged=worst <= tol,
    )


def sinkhorn_divergence(
    x: Tensor, y: Tensor, blur: float, *, backend: str = "geomloss", scaling: float = 0.95
) -> Tensor:
    """S(x, y) >= 0, data units squared, () or (B,) (NSGF, Definition 2)."""
    _check(x, y, blur)
    across, first, second = (
        _solve(a, b, blur, backend, scaling).cost for a, b in ((x, y), (x, x), (y, y))
    )
    return across - (first + second) / 2


def self_cost(
    y: Tensor, blur: float, *, backend: str = "geomloss", scaling: float = 0.95
) -> Tensor:
    """W(y, y), the constant that turns a flow's energies into divergences; () or (B,)."""
    _check(y, y, blur)
    return _solve(y, y, blur, backend, scaling).cost


def _solve(x: Tensor, y: Tensor, blur: float, backend: str, scaling: float) -> Coupling:
    return module_of(lookup(BACKENDS, backend, "Sinkhorn backend")).solve(x, y, blur, scaling)


def _check(x: Tensor, y: Tensor, blur: float) -> None:
    if not blur > 0:
        raise NsgfError(f"blur must be positive, got {blur}", "give blur in data units")
    fits = x.dim() == y.dim() and x.dim() in (2, 3) and x.shape[-1] == y.shape[-1]
    if not fits or (x.dim() == 3 and x.shape[0] != y.shape[0]):
        raise NsgfError(
            f"x {tuple(x.shape)} and y {tuple(y.shape)} are not (n, d) and (m, d), nor batches",
            "give both the same dimension d, and the same batch size if batched",
        )
    if x.dtype != y.dtype or not x.is_floating_point():
        raise NsgfError(
            f"x is {x.dtype} and y is {y.dtype}", "give both as float32 or both as float64"
        )

"""The particle flow of the Sinkhorn divergence, by explicit Euler steps.

X <- X + eta v(X),  v = T_{X->Y} - T_{X->X},  Y fixed along the trajectory (NSGF, Eq. 14, App. A).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nsgf.ot.sinkhorn import DEFAULT_BACKEND, self_cost, velocity


@dataclass(frozen=True)
class Trajectory:
    """A discretised flow of T steps.

    Attributes:
        x: states before each step, (T, ..., n, d), data units.
        v: velocity at each state, (T, ..., n, d), data units per unit flow time.
        end: the state after the last step, (..., n, d).
        divergence: S(x_k, y), (T,) or (T, B), data units squared.
        marginal_error: worst marginal error of each step, (T,) or (T, B).
        converged: whether every step's error was within tol.
    """

    x: Tensor
    v: Tensor
    end: Tensor
    divergence: Tensor
    marginal_error: Tensor
    converged: bool


def sinkhorn_flow(
    x0: Tensor,
    y: Tensor,
    blur: float,
    step_size: float,
    n_steps: int,
    tol: float = 1e-3,
    *,
    backend: str = DEFAULT_BACKEND,
    scaling: float = 0.95,
    flag: bool = False,
) -> Trajectory:
    """Move particles down S(., y) for `n_steps` steps (NSGF, Algorithm 1 a).

    Args:
        x0: starting particles, (n, d) or (B, n, d), data units.
        y: target samples, (m, d) or (B, m, d).
        blur: square root of the entropic regularisation, data units.
        step_size: eta, units of flow time.
        n_steps: T.
        tol, backend, scaling, flag: as in `nsgf.ot.velocity`.

    Raises:
        NotConverged: a step's marginal error stayed above tol.
        NsgfError: shapes or dtypes do not fit.
    """
    solver = {"backend": backend, "scaling": scaling}
    x, xs, steps, start = x0, [], [], None
    for _ in range(n_steps):
        step = velocity(x, y, blur, tol, start=start, flag=flag, **solver)
        if step.potential is not None:
            # Exact for eps -> 0: a geodesic's remaining displacement shrinks by this factor.
            start = (1 - step_size) * step.potential
        xs.append(x)
        steps.append(step)
        x = x + step_size * step.v
    target_term = self_cost(y, blur, tol, **solver) / 2
    return Trajectory(
        x=torch.stack(xs),
        v=torch.stack([s.v for s in steps]),
        end=x,
        divergence=torch.stack([s.energy for s in steps]) - target_term,
        marginal_error=torch.stack([s.marginal_error for s in steps]),
        converged=all(s.converged for s in steps),
    )

"""How far a velocity may be from the exact one, told by the mass in wrong columns.

Half the marginal error is the mass that has to change place. The Hessian of the semi-dual is the
Laplacian of a graph on the columns, and its inverse routes that mass as a current, of which no edge
carries more than all that is injected, along paths about as long as the cloud is wide. So the mean
over rows of |T(x_i) - T*(x_i)| is about marginal_error * max_j |y_j| at most, y centred, and the
root mean square no more than sqrt(n) times that, reached if one row takes all. This is an estimate
(`nsgf bench accuracy` tries it), but it does not suffer from parts of a plan that hardly trade any
mass: their potentials are known badly, and matter little. Newton's decrement, which bounds the
error too, cannot be had there: conjugate gradients do not see those parts.

For a cloud with itself it is a bound. The fixed point a (K a) = 1, off by rho_i in row i, has
potentials off by (I + P)^-1 rho, in norm at most that of rho, as P is positive semi-definite; and a
row's projection moves by the covariance of x and that, at most sd_i(x) times its deviation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

FINE = 0.01  # of tol: marginal error that is asked for at first
COARSE = 0.1  # of tol: marginal error beyond which none is let go
NEGLIGIBLE = 1e-3  # of the clouds' size: errors of slower velocities are relative to this


@dataclass(frozen=True)
class Bound:
    """On the root mean square over rows of |T - T*|; all float64, (B,), data units.

    Attributes:
        error: the bound.
        per_mass: what the marginal error is multiplied by in it.
        rounding: what the precision adds.
    """

    error: Tensor
    per_mass: Tensor
    rounding: Tensor

    def __getitem__(self, which: Tensor) -> "Bound":
        """Of some problems of the batch."""
        return Bound(self.error[which], self.per_mass[which], self.rounding[which])

    @classmethod
    def of(
        cls, rows: Tensor, eps: float, about: Tensor, mass: Tensor, symmetric: bool = False
    ) -> "Bound":
        """Of row-normalised plans.

        Args:
            rows: anything with a row for each of theirs, (B, n, ...), in their precision.
            about: their `moments`, (B, 6).
            mass: marginal error, (B,).
            symmetric: whether the plans are those of clouds with themselves.
        """
        variance, _, x_most, _, y_most, stirred = about.unbind(-1)
        spread, unit = variance.sqrt(), torch.finfo(rows.dtype).eps
        per_mass = rows.shape[1] ** 0.5 * (spread / 2 if symmetric else y_most.sqrt())
        # What rounding moves at once; how it shifts potentials shows in the mass.
        rounding = unit * (stirred / eps + 2 * x_most.maximum(y_most).sqrt())
        return cls(per_mass * mass + rounding, per_mass, rounding)


def moments(plan: Tensor, projected: Tensor, xx: Tensor, yy: Tensor) -> Tensor:
    """What a plan and its clouds say of errors: (B, 6), float64.

    The largest variance of y under a row of the plan; mean and largest |x_i|^2, then |y_j|^2; and
    how far rounded costs stir projections, times eps and over the precision's unit: costs from
    inner products are off by their own size, which moves entries of the plan by that over eps.

    Args:
        projected: |T(x_i)|^2 (B, n). xx, yy: |x_i|^2 (B, n), |y_j|^2 (B, m); all about one centre.
    """
    mean = (plan @ yy.unsqueeze(-1)).squeeze(-1)
    # Below its rounding a variance is not seen.
    variance = (mean - projected).maximum(torch.finfo(plan.dtype).eps * mean).amax(-1)
    x_mean, x_most, y_mean, y_most = xx.mean(-1), xx.amax(-1), yy.mean(-1), yy.amax(-1)
    size = ((x_mean * x_most).sqrt() + (y_mean * y_most).sqrt()) / 2  # root mean square at most
    parts = (variance, x_mean, x_most, y_mean, y_most, variance.sqrt() * size)
    return torch.stack(parts, -1).double()


def first_goal(tol: float, like: Tensor) -> Tensor:
    """Marginal error to begin with, (B,), float64."""
    return torch.full((len(like),), FINE * tol, dtype=torch.float64, device=like.device)


def fitting_goal(tol: float, speeds: Tensor, bounds: Sequence[Bound]) -> Tensor:
    """Marginal error over all plans of a problem that leaves a third of tol, (B,); not rounding.

    Args:
        speeds: what errors are relative to. bounds: on each plan.
    """
    per_mass = sum(bound.per_mass for bound in bounds)
    return torch.where(per_mass > 0, tol / 3 * speeds / per_mass, torch.inf)  # 0: equal points


def speed(squared: Tensor, about: Tensor) -> Tensor:
    """What errors of velocities are relative to, (B,), float64.

    Args:
        squared: mean of |v|^2 over particles, (B,). about: `moments` of x and y, (B, 6).
    """
    size = about[:, 1] + about[:, 3]
    return squared.double().clamp_min(0).maximum(NEGLIGIBLE**2 * size).sqrt()


def relative(bounds: Sequence[Bound], speeds: Tensor) -> Tensor:
    """Bound on |v - v*| / |v*|, (B,), for a velocity that is a difference of two projections."""
    whole = sum(bound.error for bound in bounds)
    error = torch.where(whole == 0, 0, whole / speeds)  # 0 / 0: all points are equal
    return torch.where(speeds.isfinite(), error, torch.inf)

"""Flows of Gaussians to a Gaussian: what a perfect solver of each scheme would give.

F(mu) = KL(mu || N(b, A^-1)) up to a constant: the potential V(x) = (x - b)' A (x - b) / 2 and the
entropy. Gaussians stay Gaussian under all three flows, so that a mean and a covariance tell all:

- `diffusion`: the Wasserstein flow itself, of the Fokker-Planck equation, in closed form.
- `jko_step`: a proximal step with W_2^2, which ends where the map T(x) = x + tau (grad V(x) +
  grad log rho(x)) leads back to where it began.
- `sw_jko_step`: a proximal step with SW_2^2 (arXiv:2110.10972). With u = theta' S theta and
  u' = theta' S' theta, theta uniform on the sphere, it ends at the m' and S' of
  (m' - m) / (d tau) + A (m' - b) = 0, (I / d - E[sqrt(u / u') theta theta']) / tau + A - S'^-1 = 0.

In the same time the sliced flow takes a mean d times as far as the Wasserstein flow, and so an
isotropic covariance, but the traceless part of a covariance farther (`speed`): at time t it is at
no time of the Wasserstein flow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nsgf.errors import NsgfError
from nsgf.ot.directions import quasi_random
from nsgf.rng import stream

DIRECTIONS = 1 << 13  # of the mean over the sphere, beyond the plane
ANGLES = 512  # in the plane, where the integrand is smooth and periodic
STEPS, SMALL = 100, 1e-12  # of Newton's method, and its residual relative to A's size


@dataclass(frozen=True)
class Gaussian:
    """N(mean (d,), covariance (d, d)), float64."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def standard(cls, d: int) -> "Gaussian":
        """N(0, I)."""
        return cls(torch.zeros(d, dtype=torch.float64), torch.eye(d, dtype=torch.float64))

    @property
    def precision(self) -> Tensor:
        """A, (d, d)."""
        return torch.linalg.inv(self.covariance)

    def log_density(self, x: Tensor) -> Tensor:
        """At x (n, d), with its constant, (n,)."""
        gap = x.double() - self.mean
        factor = torch.linalg.cholesky(self.covariance)
        white = torch.linalg.solve_triangular(factor, gap.T, upper=False)
        constant = len(self.mean) * math.log(2 * math.pi) / 2 + factor.diagonal().log().sum()
        return -white.square().sum(0) / 2 - constant

    def kl(self, other: "Gaussian") -> float:
        """KL(self || other), nats."""
        gap, precision = other.mean - self.mean, other.precision
        ratio = precision @ self.covariance
        trace = ratio.trace() - len(gap)
        return float((trace + gap @ precision @ gap - torch.linalg.slogdet(ratio)[1]) / 2)


def symmetric_kl(one: Gaussian, other: Gaussian) -> float:
    """KL(one || other) + KL(other || one), nats."""
    return one.kl(other) + other.kl(one)


def random_target(d: int, seed: int, *names: object) -> Gaussian:
    """A target as in arXiv:2110.10972: b from N(0, I), and a random precision.

    The paper says no more of A than that it is symmetric and positive definite; ours has a uniform
    basis and eigenvalues uniform in [1/2, 2].
    """
    numbers = stream(seed, *names)
    q, r = torch.linalg.qr(numbers.normal(d, d).double())
    basis = q * r.diagonal().sign()
    values = 0.5 + 1.5 * numbers.uniform(d).double()
    mean = numbers.normal(d).double()
    return Gaussian(mean, _symmetric(basis / values @ basis.T))


def diffusion(start: Gaussian, target: Gaussian, time: float) -> Gaussian:
    """Where the Fokker-Planck equation takes `start` in `time`."""
    decay = torch.matrix_exp(-time * target.precision)
    mean = target.mean + decay @ (start.mean - target.mean)
    rest = decay @ (start.covariance - target.covariance) @ decay
    return Gaussian(mean, _symmetric(target.covariance + rest))


def jko_step(start: Gaussian, target: Gaussian, tau: float) -> Gaussian:
    """argmin W_2^2(mu, start) / (2 tau) + F(mu).

    With B = (I + tau A), M = B S' B - 2 tau B + tau^2 S'^-1 must be S; it is solved for S' by
    Newton's method.

    Raises:
        NsgfError: no solution was found.
    """
    eye, a = torch.eye(len(start.mean), dtype=torch.float64), target.precision
    b = eye + tau * a

    def residual(s: Tensor) -> Tensor:
        # (I + tau (A - S'^-1)) S' (I + tau (A - S'^-1)) - S
        back = b - tau * torch.linalg.inv(s)
        return _symmetric(back @ s @ back - start.covariance)

    def leads_back(s: Tensor) -> bool:
        # The map B - tau S'^-1 is optimal where it is positive: other roots are of other maps.
        return bool(torch.linalg.eigvalsh(b - tau * torch.linalg.inv(s))[0] > 0)

    mean = torch.linalg.solve(b, start.mean + tau * a @ target.mean)
    starts = (start.covariance, target.covariance, start.covariance + tau * eye)
    return Gaussian(mean, _newton(residual, starts, leads_back))


def sw_jko_step(start: Gaussian, target: Gaussian, tau: float) -> Gaussian:
    """argmin SW_2^2(mu, start) / (2 tau) + F(mu).

    Raises:
        NsgfError: no solution was found.
    """
    d, a = len(start.mean), target.precision
    eye, theta = torch.eye(d, dtype=torch.float64), sphere(d)
    before = _along(start.covariance, theta)

    def residual(s: Tensor) -> Tensor:
        ratio = (before / _along(s, theta)).sqrt()
        mean = (theta.T * ratio) @ theta / len(theta)
        return _symmetric(eye / d - mean + tau * (a - torch.linalg.inv(s)))

    scaled = d * tau
    mean = torch.linalg.solve(eye + scaled * a, start.mean + scaled * a @ target.mean)
    return Gaussian(mean, _newton(residual, (start.covariance, target.covariance)))


def sphere(d: int) -> Tensor:
    """Fixed directions over which functions on the sphere are averaged, (L, d) float64, whose
    second moment is exactly I / d."""
    if d == 1:
        return torch.ones(1, 1, dtype=torch.float64)
    if d == 2:
        angle = (torch.arange(ANGLES, dtype=torch.float64) + 0.5) * (math.pi / ANGLES)
        return torch.stack([angle.cos(), angle.sin()], 1)
    theta = quasi_random(DIRECTIONS, d, stream(0, "sphere", d)).double()
    for _ in range(20):  # few: each takes the moment closer to I / d
        moment = theta.T @ theta / len(theta) * d
        values, basis = torch.linalg.eigh(moment)
        theta = theta @ (basis * values.rsqrt()) @ basis.T
        theta = theta / theta.norm(dim=1, keepdim=True)
    return theta


def speed(d: int) -> tuple[float, float]:
    """How many times faster than the Wasserstein flow the sliced one is near an isotropic end: a
    mean or the covariance's trace; its traceless part.

    SW_2^2 of nearby Gaussians is 1 / d of W_2^2 for the first, 2 / (d (d + 2)) for the second.
    """
    return float(d), d * (d + 2) / 2


def _along(s: Tensor, theta: Tensor) -> Tensor:
    return ((theta @ s) * theta).sum(1)


def _symmetric(s: Tensor) -> Tensor:
    return (s + s.T) / 2


def _newton(residual, starts: Sequence[Tensor], possible=lambda s: True) -> Tensor:
    """A positive definite root S of a symmetric matrix equation that is `possible`, from the first
    start that leads to one."""
    for start in filter(possible, starts):
        found = _newton_from(residual, start, possible)
        if found is not None:
            return found
    raise NsgfError("a proximal step of a Gaussian was not solved", "take a smaller time step tau")


def _newton_from(residual, s: Tensor, possible) -> Tensor | None:
    d = len(s)
    i, j = torch.triu_indices(d, d)
    units = torch.zeros(len(i), d, d, dtype=torch.float64)
    units[torch.arange(len(i)), i, j] = 1
    units[torch.arange(len(i)), j, i] = 1
    now = residual(s)
    scale = 1 + s.abs().max()
    for _ in range(STEPS):
        if now.abs().max() <= SMALL * scale:
            return s
        slopes = torch.stack([_slope(residual, s, unit) for unit in units])
        matrix = slopes[:, i, j].T
        step, singular = torch.linalg.solve_ex(matrix, -now[i, j])
        if singular or not step.isfinite().all():
            return None
        change = (step[:, None, None] * units).sum(0)
        length = 1.0
        while length > 1e-10:
            tried = s + length * change
            if torch.linalg.eigvalsh(tried)[0] > 0 and possible(tried):
                then = residual(tried)
                if then.abs().max() < now.abs().max():
                    break
            length /= 2
        else:
            return s if now.abs().max() <= 1e3 * SMALL * scale else None
        s, now = tried, then
    return None


def _slope(residual, s: Tensor, unit: Tensor) -> Tensor:
    """Derivative along a symmetric matrix, by forward differentiation."""
    return torch.func.jvp(residual, (s,), (unit,))[1]

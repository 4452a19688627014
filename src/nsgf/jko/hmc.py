"""Hamiltonian Monte Carlo in several chains, the long run that other samplers are held against.

Leapfrog steps with a diagonal mass from the warm-up, a step size that is adapted there to the
wanted rate of acceptance (dual averaging, Hoffman and Gelman 2014), and a random number of steps a
move, so that no period of the dynamics is met again and again. Split R-hat and the effective sample
size are those of Gelman et al. (Bayesian Data Analysis, 3rd edition, 11.4 and 11.5).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nsgf.progress import bar
from nsgf.rng import Stream

WANTED = 0.8  # rate of acceptance
SHRINK, DELAY, DECAY = 0.05, 10, 0.75  # of dual averaging: gamma, t0, kappa


@dataclass(frozen=True)
class Chains:
    """What was drawn.

    Attributes:
        x: (chains, draws, d) float64. accepted: share of moves that were.
        r_hat: of each coordinate, near 1 where chains agree, (d,).
        effective: independent draws that each coordinate's mean is worth, (d,).
    """

    x: Tensor
    accepted: float
    r_hat: Tensor
    effective: Tensor


def sample(
    log_density: Callable[[Tensor], Tensor],
    x0: Tensor,
    draws: int,
    warm_up: int,
    numbers: Stream,
    longest: int = 20,
) -> Chains:
    """`draws` a chain after `warm_up` moves.

    Args:
        log_density: (chains, d) to (chains,), differentiable, up to a constant.
        x0: where chains start, (chains, d): apart, so that R-hat can tell.
        longest: leapfrog steps a move, at most.
    """
    x = x0.double()
    value, slope = _slope(log_density, x)
    mass, step = torch.ones(x.shape[1], dtype=torch.float64), 0.1
    state, seen, kept, accepted = _Dual(step), [], [], []
    with bar(warm_up + draws, "hmc") as progress:
        for k in range(warm_up + draws):
            count = 1 + int(numbers.integers(longest, 1))
            p = numbers.normal(*x.shape).double() / mass.sqrt()
            y, rise, at, q = x, slope, value, p
            for _ in range(count):
                q = q + step / 2 * rise
                y = y + step * mass * q
                at, rise = _slope(log_density, y)
                q = q + step / 2 * rise
            energy = (value - (mass * p.square()).sum(1) / 2, at - (mass * q.square()).sum(1) / 2)
            chance = torch.nan_to_num((energy[1] - energy[0]).exp(), nan=0.0).clamp(max=1)
            takes = numbers.uniform(len(x)).double() < chance
            x = torch.where(takes[:, None], y, x)
            slope, value = torch.where(takes[:, None], rise, slope), torch.where(takes, at, value)
            if k < warm_up:
                step = state.adapted(float(chance.mean()))
                seen.append(x)
                # Twice: variances of the second and of the last third of the way so far.
                if k + 1 in (warm_up // 3, 2 * warm_up // 3):
                    mass = torch.stack(seen[len(seen) // 2 :]).flatten(0, 1).var(0) + 1e-12
                    state = _Dual(step)
                if k + 1 == warm_up:
                    step = state.last
            else:
                kept.append(x)
                accepted.append(float(takes.double().mean()))
            progress.update()
    found = torch.stack(kept, 1)
    return Chains(found, float(np.mean(accepted)), r_hat(found), effective(found))


class _Dual:
    """Dual averaging of a logarithmic step size."""

    def __init__(self, step: float):
        self._mu, self._sum, self._mean, self._k = math.log(10 * step), 0.0, 0.0, 0

    def adapted(self, rate: float) -> float:
        """The next step size, after a move that was accepted at a mean `rate`."""
        self._k += 1
        self._sum += (WANTED - rate - self._sum) / (self._k + DELAY)
        log = self._mu - math.sqrt(self._k) / SHRINK * self._sum
        weight = self._k**-DECAY
        self._mean = weight * log + (1 - weight) * self._mean
        return math.exp(log)

    @property
    def last(self) -> float:
        """The mean step size."""
        return math.exp(self._mean)


def _slope(log_density, x: Tensor) -> tuple[Tensor, Tensor]:
    at = x.detach().requires_grad_()
    value = log_density(at)
    (slope,) = torch.autograd.grad(value.sum(), at)
    return value.detach(), slope


def r_hat(x: Tensor) -> Tensor:
    """Split R-hat of each coordinate, (d,), from x (chains, draws, d)."""
    halves = _halves(x)
    n = halves.shape[1]
    within = halves.var(1).mean(0)
    return ((n - 1) / n + halves.mean(1).var(0) / within).sqrt()


def effective(x: Tensor) -> Tensor:
    """Effective sample size of each coordinate's mean, (d,), from x (chains, draws, d)."""
    halves = _halves(x)
    m, n, d = halves.shape
    within = halves.var(1).mean(0)
    whole = (n - 1) / n * within + halves.mean(1).var(0)
    centred = (halves - halves.mean(1, keepdim=True)).numpy()
    power = np.abs(np.fft.rfft(centred, 2 * n, axis=1)) ** 2
    covariance = np.fft.irfft(power, axis=1)[:, :n].mean(0) / n * n / (n - 1)
    correlation = 1 - (within.numpy() - covariance) / whole.numpy()
    found = np.empty(d)
    for k in range(d):
        rho = correlation[:, k]
        pairs = rho[: n // 2 * 2].reshape(-1, 2).sum(1)
        ends = np.flatnonzero(pairs < 0)
        pairs = pairs[: ends[0] if len(ends) else len(pairs)]
        # Geyer's sequence falls: what is left of noise in it does not count twice.
        found[k] = m * n / max(2 * np.minimum.accumulate(pairs).sum() - 1, 1 / math.log10(m * n))
    return torch.from_numpy(found)


def _halves(x: Tensor) -> Tensor:
    n = x.shape[1] // 2
    return torch.cat([x[:, :n], x[:, n : 2 * n]])

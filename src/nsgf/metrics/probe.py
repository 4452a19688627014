"""How far a velocity is off that is made from a minibatch, or by a few plain Sinkhorn sweeps.

A minibatch of n particles and n targets gives a particle x the velocity v_n, a random vector even
where x is given. Against the velocity v that a whole population gives it, of which minibatches are
drawn with replacement, and over the mean of |v|^2:

bias_squared   |E[v_n | x] - v|^2, without bias of its own: it may come out below 0
variance       E |v_n - E[v_n | x]|^2

What a regression on minibatches learns is E[v_n | x] at best: the bias stays, the variance is
averaged away.
"""

import math

import torch
from torch import Tensor

from nsgf.config.pool import Flow
from nsgf.flows.sinkhorn import sinkhorn_flow
from nsgf.ot.coupling import couple, half_squared_distance
from nsgf.ot.sinkhorn import velocity
from nsgf.rng import Stream

TOGETHER = 64  # minibatches solved together


def minibatch_errors(
    x: Tensor, y: Tensor, blur: float, n: int, queries: int, draws: int, numbers: Stream
) -> tuple[float, float]:
    """bias_squared and variance, means over queries, relative to the mean of |v|^2.

    Args:
        x: particles of the population, (N, d), data units. y: its targets, (M, d).
        blur: square root of eps, data units.
        n: minibatch size. queries: particles that are looked at. draws: minibatches each, over 1.
    """
    whole = velocity(x, y, blur).v
    size, biases, variances = whole.square().sum(1).mean(), [], []
    for q in numbers.integers(len(x), queries).tolist():
        found = []
        for some in torch.arange(draws).split(TOGETHER):
            others = x[numbers.integers(len(x), len(some), n - 1)]
            clouds = torch.cat([x[q].expand(len(some), 1, -1), others], 1)
            targets = y[numbers.integers(len(y), len(some), n)]
            found.append(velocity(clouds, targets, blur).v[:, 0].double())
        v = torch.cat(found)
        variance = v.var(0).sum()
        biases.append((v.mean(0) - whole[q]).square().sum() - variance / draws)
        variances.append(variance)
    return tuple(float(torch.stack(part).mean() / size) for part in (biases, variances))


def swept(x: Tensor, y: Tensor, blur: float, sweeps: int) -> Tensor:
    """T_xy - T_xx after so many plain sweeps from a potential of 0, (B, n, d).

    A sweep fits the potential on the targets, then that on the particles, in logarithms, so that
    rows of the plan are normalised in the end.

    Args:
        x: (B, n, d), data units. y: (B, m, d). blur: square root of eps.
    """
    moved = (couple(x, to, _potential(x, to, blur**2, sweeps), blur) for to in (y, x))
    across, within = (found.displacement for found in moved)
    return across - within


def _potential(x: Tensor, y: Tensor, eps: float, sweeps: int) -> Tensor:
    cost, (n, m) = half_squared_distance(x, y), (x.shape[-2], y.shape[-2])
    f = torch.zeros_like(x[..., 0])
    for _ in range(sweeps):
        g = -eps * (torch.logsumexp((f.unsqueeze(-1) - cost) / eps, -2) - math.log(n))
        f = -eps * (torch.logsumexp((g.unsqueeze(-2) - cost) / eps, -1) - math.log(m))
    return g


def sweep_errors(x0: Tensor, y: Tensor, flow: Flow, blur: float, sweeps: int) -> Tensor:
    """|v - v*| / |v*| of swept velocities at the states of the exact flow at `blur`, (T,).

    Args:
        x0: particles of one problem, (n, d), float64. y: its targets, (m, d).
    """
    exact = sinkhorn_flow(x0, y, blur, flow.sizes, flow.steps, tol=1e-6)
    v = swept(exact.x, y.expand(flow.steps, *y.shape), blur, sweeps)
    return (v - exact.v).norm(dim=(1, 2)) / exact.v.norm(dim=(1, 2))

"""The sliced Wasserstein distance of weighted clouds, with gradients in closed form.

SW_2^2(mu, nu) is the mean over directions theta of the W_2^2 between projections on theta (Rabin et
al. 2011; Bonneel et al. 2015). On a line the optimal plan pi couples equal quantiles. For uniform
clouds sorting finds it, and the gradient at x_i is the mean over directions of
2 sum_j pi_ij (<theta, x_i> - <theta, y_j>) theta: no tape is kept, and a block of directions at a
time stays in a core's cache. For weights autograd follows the plan's n + m - 1 entries, so that
weights have gradients too.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nsgf.errors import NsgfError

BLOCK = 1 << 16  # projections that are sorted at a time: 0.25 MB of float32
ARCS = 1 << 22  # entries of plans that are held at a time by `circle`


def sliced_wasserstein(
    x: Tensor, y: Tensor, directions: Tensor, a: Tensor | None = None, b: Tensor | None = None
) -> Tensor:
    """SW_2^2 over `directions`, data units squared: a number, or (B,) of batches; differentiable.

    Args:
        x: points (n, d) or (B, n, d). y: (m, d) or (B, m, d).
        directions: unit, (L, d).
        a: masses of x, (n,) or (B, n), of sum 1; uniform where None. b: of y likewise.

    Raises:
        NsgfError: shapes that do not fit together.
    """
    _check(x, y, directions, a, b)
    if a is None and b is None:
        one = [_Uniform.apply(*each, directions) for each in _batches(x, y)]
        return one[0] if x.ndim == 2 else torch.stack(one)
    theta = directions.to(x)
    along, other = theta @ x.mT, theta @ y.mT  # ([B,] L, n), ([B,] L, m)
    i, j, mass = _plan(along, other, a, b)
    gap = along.gather(-1, i) - other.gather(-1, j)
    return (mass * gap.square()).sum(-1).mean(-1)


def gradient(x: Tensor, y: Tensor, directions: Tensor) -> tuple[float, Tensor]:
    """SW_2^2 of uniform clouds x (n, d) and y (m, d), and its gradient at x (n, d), without a tape.

    Raises:
        NsgfError: shapes that do not fit together, or batches.
    """
    _check(x, y, directions, None, None)
    if x.ndim != 2:
        raise NsgfError(f"x {tuple(x.shape)} is a batch", "sliced_wasserstein takes batches")
    value, grad, _ = _uniform(x.detach(), y.detach(), directions, False)
    return value, grad


def circle(x: Tensor, y: Tensor, a: Tensor | None = None, b: Tensor | None = None) -> Tensor:
    """SW_2^2 in the plane, exactly: over all directions of the circle; differentiable.

    Between two angles at which points change places the plan pi is constant and the integrand is
    theta' M theta with M = sum pi_ij (x_i - y_j)(x_i - y_j)', whose integral is known. O(n^2) arcs
    of n log n each: for clouds of a few hundred points.

    Args:
        x: (n, 2). y: (m, 2). a: masses of x, (n,), of sum 1; uniform where None. b: of y likewise.

    Raises:
        NsgfError: they are no clouds in the plane.
    """
    if x.ndim != 2 or x.shape[1] != 2:
        raise NsgfError(f"x {tuple(x.shape)} is no cloud in the plane", "give (n, 2) and (m, 2)")
    _check(x, y, x.new_ones(1, 2), a, b)
    ends = torch.cat([_turns(x.detach()), _turns(y.detach())])
    ends = torch.cat([ends.new_zeros(1), ends.unique(), ends.new_full((1,), math.pi)])
    start, stop = ends[:-1], ends[1:]
    # Integrals of cos^2, sin cos and sin^2 over each arc, as shares of the half circle.
    double = (torch.sin(2 * stop) - torch.sin(2 * start)) / 4
    half = (stop - start) / 2
    cross = (torch.sin(stop).square() - torch.sin(start).square()) / 2
    shares = torch.stack([half + double, cross, half - double], 1) / math.pi  # (arcs, 3)
    middle = (start + stop) / 2
    theta = torch.stack([middle.cos(), middle.sin()], 1).to(x)
    total, step = x.new_zeros(()), max(1, ARCS // (len(x) + len(y)))
    for part in torch.arange(len(theta)).split(step):
        i, j, mass = _plan(theta[part] @ x.mT, theta[part] @ y.mT, a, b)
        gap = x[i] - y[j]  # (arcs, n + m - 1, 2)
        square = torch.stack([gap[..., 0] ** 2, 2 * gap[..., 0] * gap[..., 1], gap[..., 1] ** 2])
        total = total + ((mass * square).sum(-1).T * shares[part].to(x)).sum()
    return total


def _turns(x: Tensor) -> Tensor:
    """Angles in [0, pi) of the directions on which two points have one projection, float64."""
    i, j = torch.triu_indices(len(x), len(x), 1)
    gap = (x[i] - x[j]).double()
    return (torch.atan2(gap[:, 1], gap[:, 0]) + math.pi / 2) % math.pi


def _plan(along: Tensor, other: Tensor, a: Tensor | None, b: Tensor | None):
    """The monotone plan of projections (..., L, n) and (..., L, m): points of either, by number,
    and the mass between them, (..., L, n + m) each, of which masses may be 0."""
    x_order, y_order = along.argsort(-1), other.argsort(-1)
    ends = [_ends(p, order) for p, order in ((a, x_order), (b, y_order))]
    # Where either's mass ends, sorted; the last ends are 1 in both, whatever rounding says.
    every = torch.cat(ends, -1).sort(-1).values
    mass = torch.diff(every, dim=-1, prepend=torch.zeros_like(every[..., :1]))
    middle = (every - mass / 2).detach()
    found = []
    for end, order in zip(ends, (x_order, y_order), strict=True):
        at = torch.searchsorted(end.detach().contiguous(), middle)
        found.append(order.gather(-1, at.clamp(max=order.shape[-1] - 1)))
    return *found, mass.to(along.dtype)


def _ends(masses: Tensor | None, order: Tensor) -> Tensor:
    """Cumulative masses in sorted order, (..., L, n); float64, for their differences."""
    n = order.shape[-1]
    if masses is None:
        steps = torch.arange(1, n + 1, device=order.device, dtype=torch.float64) / n
        return steps.expand(order.shape)
    sums = masses.double().unsqueeze(-2).expand(order.shape).gather(-1, order).cumsum(-1)
    return sums / sums[..., -1:].detach()


class _Uniform(torch.autograd.Function):
    """SW_2^2 of two uniform clouds of one size, with its gradients kept instead of a tape."""

    @staticmethod
    def forward(ctx, x, y, directions):
        value, *grads = _uniform(x, y, directions, ctx.needs_input_grad[1])
        ctx.save_for_backward(*grads)
        return x.new_tensor(value)

    @staticmethod
    @once_differentiable
    def backward(ctx, out):
        at_x, at_y = ctx.saved_tensors
        return out * at_x, None if at_y is None else out * at_y, None


def _uniform(x: Tensor, y: Tensor, directions: Tensor, both: bool):
    """Value, gradient at x, and at y if `both` are asked for (else None)."""
    theta, coupled = directions.to(x), _Coupled(len(x), len(y), x)
    total, at_x, at_y = 0.0, torch.zeros_like(x), torch.zeros_like(y) if both else None
    for block in theta.split(max(1, BLOCK // max(len(x), len(y)))):
        along, order = _sorted(block @ x.T)
        other, back = _sorted(block @ y.T) if both else (_values(block @ y.T), None)
        square, move, moved = coupled.of(along, other, both)
        total += square
        at_x += torch.empty_like(along).scatter_(1, order, move).T @ block
        if both:
            at_y -= torch.empty_like(other).scatter_(1, back, moved).T @ block
    scale = 2 / len(theta)
    return total / len(theta), at_x * scale, at_y * scale if both else None


class _Coupled:
    """The monotone plan of n and m sorted points of equal masses, the same for all directions."""

    def __init__(self, n: int, m: int, like: Tensor):
        self._same = n == m
        self._even = 1 / n
        if not self._same:
            # In units of 1 / (n m) all ends of masses are whole numbers.
            ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
            mass = np.diff(ends, prepend=0) / (n * m)
            self._at = [(ends - 1) // k for k in (m, n)]
            self._first = [
                np.searchsorted(at, np.arange(k)) for at, k in zip(self._at, (n, m), strict=True)
            ]
            self._mass = torch.from_numpy(mass).to(like)

    def of(self, along: Tensor, other: Tensor, both: bool):
        """Sum over directions of W_2^2, and what each sorted point of `along` (L, n) is apart from
        its partners in `other` (L, m), times their mass; of `other` likewise."""
        if self._same:
            gap = along - other
            square = float(gap.square().sum(dtype=torch.float64)) * self._even
            gap *= self._even
            return square, gap, gap
        gap = along[:, self._at[0]] - other[:, self._at[1]]
        apart = gap * self._mass
        square = float((gap * apart).sum(dtype=torch.float64))
        return square, self._summed(apart, 0), self._summed(apart, 1) if both else None

    def _summed(self, apart: Tensor, side: int) -> Tensor:
        """Entries of the plan (L, n + m - 1) summed over each point's own."""
        if apart.is_cuda:
            at = torch.from_numpy(self._at[side]).to(apart.device)
            size = len(self._first[side])
            return apart.new_zeros(len(apart), size).index_add_(1, at, apart)
        return torch.from_numpy(np.add.reduceat(apart.numpy(), self._first[side], axis=1))


def _values(along: Tensor) -> Tensor:
    """Rows sorted."""
    if along.is_cuda:
        return along.sort(dim=1).values
    along.numpy().sort(axis=1)  # by vector instructions, and in place
    return along


def _sorted(along: Tensor) -> tuple[Tensor, Tensor]:
    """Rows sorted, and where each entry stood; of equal entries the first stays first."""
    if along.is_cuda or along.dtype != torch.float32:
        found = along.sort(dim=1, stable=True)
        return found.values, found.indices
    # As integers that are in the numbers' order, with the place behind them: numpy sorts these by
    # vector instructions, several times as fast as torch sorts numbers with their places.
    bits = along.numpy().view(np.int32)
    keys = (bits ^ (bits >> 31 & 0x7FFFFFFF)).astype(np.int64) << 32
    keys |= np.arange(along.shape[1])
    keys.sort(axis=1)
    order = torch.from_numpy(keys & 0xFFFFFFFF)
    return along.gather(1, order), order


def _batches(x: Tensor, y: Tensor):
    return [(x, y)] if x.ndim == 2 else zip(x, y, strict=True)


def _check(x, y, directions, a, b) -> None:
    """Raise NsgfError unless shapes fit together."""
    shapes = {"x": x, "y": y, "directions": directions, "a": a, "b": b}
    said = ", ".join(f"{k} {tuple(v.shape)}" for k, v in shapes.items() if v is not None)
    fits = x.ndim in (2, 3) and y.ndim == x.ndim and x.shape[:-2] == y.shape[:-2]
    fits = (
        fits
        and directions.ndim == 2
        and len(directions)
        and len({x.shape[-1], y.shape[-1], directions.shape[1]}) == 1
    )
    for masses, cloud in ((a, x), (b, y)):
        fits = fits and (masses is None or masses.shape == cloud.shape[:-1])
    if not fits or not x.shape[-2] or not y.shape[-2]:
        raise NsgfError(
            f"shapes do not fit together: {said}",
            "give x ([B,] n, d), y ([B,] m, d), directions (L, d), a ([B,] n), b ([B,] m)",
        )

"""Measures as schemes move them: points with masses, or with the logarithm of their density."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from nsgf.errors import NsgfError
from nsgf.rng import Stream


@dataclass(frozen=True)
class Measure:
    """A probability measure, or points that were drawn from one.

    Attributes:
        x: points (n, d), data units.
        mass: of each, (n,), of sum 1; None where all have the same.
        log_density: logarithm of the density at each, (n,); None where nobody knows it.
    """

    x: Tensor
    mass: Tensor | None = None
    log_density: Tensor | None = None

    def mean(self, values: Tensor) -> Tensor:
        """Mean of a function's `values` (n,) at the points."""
        return values.mean() if self.mass is None else (self.mass * values).sum()

    def copied(self) -> "Measure":
        """The same without a tape, which no later update moves."""
        parts = (self.x, self.mass, self.log_density)
        return Measure(*(p if p is None else p.detach().clone() for p in parts))


class Family(Protocol):
    """A parametrised family of measures, of which a scheme seeks a member.

    It is an nn.Module, whose parameters are moved.
    """

    def draw(self, n: int, numbers: Stream) -> Measure:
        """`n` points of the present member, differentiable in the parameters; of a family that
        holds points, those."""


class Particles(nn.Module):
    """n points that are moved themselves, from `x` (n, d); a parameter where it is."""

    def __init__(self, x: Tensor):
        super().__init__()
        self.x = _parameter(x)

    def draw(self, n: int, numbers: Stream) -> Measure:
        """The points."""
        return Measure(self.x)


class Grid(nn.Module):
    """Masses on fixed points, softmax of what is learnt.

    Args:
        points: (n, d). cell: volume of a point's cell, by which a mass is a density.
        logits: logarithms of masses at first, up to a constant, (n,); a network's own parameter
            where it is.
    """

    def __init__(self, points: Tensor, cell: float, logits: Tensor):
        super().__init__()
        self.register_buffer("points", points.detach().clone(), persistent=False)
        self.logits = _parameter(logits)
        self._cell = cell

    @classmethod
    def square(cls, half: float, side: int, log_density) -> "Grid":
        """side x side points on [-half, half]^2, with masses of a density (n, 2) to (n,)."""
        step = 2 * half / side
        axis = -half + step * (torch.arange(side) + 0.5)
        points = torch.cartesian_prod(axis, axis)
        return cls(points, step**2, log_density(points))

    def draw(self, n: int, numbers: Stream) -> Measure:
        """The points with their masses."""
        log_mass = self.logits.log_softmax(0)
        return Measure(self.points, log_mass.exp(), log_mass - math.log(self._cell))


class Pushforward(nn.Module):
    """N(0, I) through a network, which may tell the logarithm of its volume change too."""

    def __init__(self, net: nn.Module, d: int):
        super().__init__()
        self.net, self._d = net, d

    def draw(self, n: int, numbers: Stream) -> Measure:
        """Images of fresh noise."""
        z = numbers.normal(n, self._d)
        found = self.net(z)
        if isinstance(found, Tensor):
            return Measure(found)
        x, volume = found
        return Measure(x, None, _log_normal(z) - volume)

    def log_density(self, x: Tensor) -> Tensor:
        """At any points x (n, d), (n,).

        Raises:
            NsgfError: the network cannot be inverted.
        """
        if not hasattr(self.net, "inverse"):
            raise NsgfError("a network without an inverse has no density", "take real_nvp")
        z, volume = self.net.inverse(x)
        return _log_normal(z) + volume


def _parameter(x: Tensor) -> nn.Parameter:
    return x if isinstance(x, nn.Parameter) else nn.Parameter(x.detach().clone())


def _log_normal(z: Tensor) -> Tensor:
    return -(z.square().sum(1) + z.shape[1] * math.log(2 * math.pi)) / 2

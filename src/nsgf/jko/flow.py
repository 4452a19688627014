"""The sliced gradient flow of a functional, as a library call."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nsgf.jko.functionals import Functional
from nsgf.jko.measure import Measure, Particles
from nsgf.jko.scheme import Proximal, SlicedJKO
from nsgf.progress import bar
from nsgf.rng import stream

ROUNDING = 1e-5  # relative, of float32 sums


@dataclass(frozen=True)
class SlicedFlow:
    """A flow in proximal steps.

    Attributes:
        time: after each step, from 0, (steps + 1,).
        measures: drawn then, without a tape; of particles the particles themselves.
        functional: F of them, (steps + 1,).
        family: the last member.
    """

    time: Tensor
    measures: tuple[Measure, ...]
    functional: Tensor
    family: nn.Module

    @property
    def x(self) -> Tensor:
        """All points, (steps + 1, n, d)."""
        return torch.stack([mu.x for mu in self.measures])

    @property
    def rises(self) -> list[int]:
        """Steps, from 1, at which F rose by more than rounding: the flow then took too large a
        step, or its minibatches are too small."""
        change, before = torch.diff(self.functional), self.functional[:-1].abs()
        return [k + 1 for k in range(len(change)) if change[k] > ROUNDING * before[k]]


def sliced_flow(
    start: Tensor | nn.Module,
    functional: Functional,
    steps: int,
    proximal: Proximal,
    seed: int = 0,
    n: int = 1000,
) -> SlicedFlow:
    """Follow the sliced Wasserstein gradient flow of a functional (SW-JKO, arXiv:2110.10972).

    Args:
        start: particles (n, d), or a family of measures (nsgf.jko.measure) at its first member,
            which is moved.
        functional: F, a function of a Measure (nsgf.jko.functionals).
        steps: proximal steps, count. proximal: how they are taken.
        seed: of all randomness. n: points that are drawn after each step, of families that can.

    Raises:
        NsgfError: the functional is no number.
    """
    family = Particles(start) if isinstance(start, Tensor) else start
    scheme, measures, values = SlicedJKO(family, functional, proximal), [], []
    with bar(steps * proximal.inner, "sliced flow") as progress:
        for k in range(steps + 1):
            with torch.no_grad():
                # The same noise after every step: F's changes are the measure's.
                drawn = family.draw(n, stream(seed, "sliced flow, measures"))
                measures.append(drawn.copied())
                values.append(float(functional(measures[-1])))
            for i in range(proximal.inner if k < steps else 0):
                at = k * proximal.inner + i
                scheme.update(at, stream(seed, "sliced flow", at))
                progress.update()
    time = torch.arange(steps + 1) * proximal.tau
    return SlicedFlow(time, tuple(measures), torch.tensor(values), family)

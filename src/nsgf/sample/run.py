"""What a sampler is given and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from nsgf.config.sample import SampleStage


@dataclass(frozen=True)
class Samples:
    """Samples with their cost and the whole path of the first few.

    Attributes:
        x: (n, d), data units.
        nfe: evaluations of velocity fields a sample, mean.
        nfe_max: of the sample that needed most.
        path: (steps + 1, m, d), states of the first m samples.
        times: (steps + 1, m), interpolation time of each state; NSGF steps count from -T to 0.
        facts: anything else a reader may want, such as the mean hand-over time.
    """

    x: Tensor
    nfe: float
    nfe_max: int
    path: Tensor
    times: Tensor
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """One set of samples to draw: networks by name, settings, starting points and NFE."""

    networks: dict[str, nn.Module]
    stage: SampleStage
    x0: Tensor
    nfe: int | None
    progress: Callable[[int], object]

    def chunks(self) -> tuple[Tensor, ...]:
        """Starting points in batches."""
        return self.x0.split(self.stage.sampling.batch_size)


class Path:
    """Collect the states of the first m samples of the first batch."""

    def __init__(self, m: int):
        self.m, self.x, self.t = m, [], []

    def add(self, x: Tensor, t: Tensor | float) -> None:
        """Append a state x (n, d) at time t, (n,) or one number."""
        self.x.append(x[: self.m].detach().cpu().clone())
        times = torch.as_tensor(t, dtype=torch.float32).cpu()
        self.t.append(times.expand(len(x))[: self.m].clone())

    def stacked(self) -> tuple[Tensor, Tensor]:
        """Path (steps + 1, m, d) and times (steps + 1, m)."""
        return torch.stack(self.x), torch.stack(self.t)

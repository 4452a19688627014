"""Draw samples batch by batch; a finished batch is kept, so that a killed run goes on after it.

A sampler is a module with `draw(task, x0, path) -> Batch`: it moves one batch of starting points
and counts what it evaluates.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from nsgf.config.sample import SampleStage
from nsgf.engine.state import keep, read_kept


@dataclass(frozen=True)
class Task:
    """What to draw: settings, the NFE where the method takes a fixed one, and for each training of
    the method its networks by name."""

    networks: dict[str, dict[str, Callable[..., Tensor]]]
    stage: SampleStage
    nfe: int | None

    def net(self, name: str) -> Callable[..., Tensor]:
        """The one network that a training made, as it is called."""
        (net,) = self.networks[name].values()
        return net


def _none() -> Tensor:
    return torch.empty(0)


@dataclass(frozen=True)
class Batch:
    """Consecutive samples, and what they cost in numbers that add up.

    Attributes:
        x: (n, d), data units.
        rows: evaluations of velocity fields, summed over samples.
        most: evaluations of the sample that needed most.
        handover: predicted time of each sample where a method has one, (n,) or (0,).
        path: (steps + 1, m, d), states of the first m samples of a set; (0,) elsewhere.
        times: (steps + 1, m), interpolation time of each state; NSGF steps count from -T to 0.
    """

    x: Tensor
    rows: int
    most: int
    handover: Tensor = field(default_factory=_none)
    path: Tensor = field(default_factory=_none)
    times: Tensor = field(default_factory=_none)

    @property
    def nfe(self) -> float:
        """Evaluations of velocity fields a sample, mean."""
        return self.rows / len(self.x)


def total(batches: Sequence[Batch]) -> dict:
    """All fields of consecutive batches together but their samples; the path is the first one's."""
    return {
        "rows": sum(batch.rows for batch in batches),
        "most": max(batch.most for batch in batches),
        "handover": torch.cat([batch.handover for batch in batches]),
        "path": batches[0].path,
        "times": batches[0].times,
    }


class StatePath:
    """Collects the states of the first m samples of a batch."""

    def __init__(self, m: int):
        self.m, self.x, self.t = m, [], []

    def add(self, x: Tensor, t: Tensor | float) -> None:
        """Append a state x (n, d) at time t, (n,) or one number."""
        self.x.append(x[: self.m].detach().cpu().clone())
        times = torch.as_tensor(t, dtype=torch.float32).cpu()
        self.t.append(times.expand(len(x))[: self.m].clone())


def draw_all(
    draw: Callable[[Task, Tensor, StatePath | None], Batch],
    task: Task,
    x0: Tensor,
    state: Path,
    what: str,
    progress: Callable[[int], object],
) -> Batch:
    """Run a sampler over all starting points.

    Args:
        draw: the sampler of one batch.
        task: networks and settings.
        x0: starting points, (n, d), on the networks' device.
        state: folder for finished batches; those in it are not drawn again.
        what: name of the work, for the line that says where a killed run went on.
        progress: told how many samples each batch added.
    """
    settings = task.stage.sampling
    starts = x0.split(settings.batch_size)
    files = [state / f"batch{k}.pt" for k in range(len(starts))]
    done = [read_kept(file) if file.exists() else None for file in files]
    if any(done):
        print(f"resumed {what} at step {sum(map(bool, done))}", flush=True)
    for k, start in enumerate(starts):
        if not done[k]:
            path = StatePath(settings.path_samples) if k == 0 else None
            _keep(files[k], draw(task, start, path), path)
            done[k] = read_kept(files[k])
        progress(len(start))
    batches = [Batch(**body) for body in done]
    return Batch(torch.cat([batch.x for batch in batches]), **total(batches))


def _keep(file: Path, batch: Batch, path: StatePath | None) -> None:
    body = asdict(batch) | {"x": batch.x.cpu(), "handover": batch.handover.cpu()}
    if path:
        body |= {"path": torch.stack(path.x), "times": torch.stack(path.t)}
    keep(file, body)

"""NSGF inference (Algorithm 2): Euler steps of the learnt velocity, same T and eta as the pool."""

import torch
from torch import Tensor

from nsgf.config.pool import Flow
from nsgf.errors import NsgfError
from nsgf.sample.counted import Counted
from nsgf.sample.run import Path, Samples, Task


def flow_steps(field: Counted, x: Tensor, flow: Flow, path: Path | None) -> Tensor:
    """T steps x <- x + eta v(x, k/T); times on the path count from -T to 0."""
    for k in range(flow.steps):
        if path:
            path.add(x, float(k - flow.steps))
        x = x + flow.step_size * field(x, torch.full((len(x),), k / flow.steps, device=x.device))
    return x


def sample(task: Task) -> Samples:
    """Samples of NSGF.

    Raises:
        NsgfError: the NFE asked for is not the flow's number of steps.
    """
    flow, field = task.stage.flow, Counted(task.networks["velocity"])
    if task.nfe != flow.steps:
        raise NsgfError(
            f"NSGF takes as many evaluations as its flow has steps: {flow.steps}, not {task.nfe}",
            "give a flow with that many steps",
        )
    path, done = Path(task.stage.sampling.path_samples), []
    for start in task.chunks():
        x = flow_steps(field, start, flow, None if done else path)
        if not done:
            path.add(x, 0.0)
        done.append(x)
        task.progress(len(x))
    n = len(task.x0)
    return Samples(torch.cat(done), field.rows / n, flow.steps, *path.stacked())

"""NSGF inference (Algorithm 2): Euler steps of the learnt velocity, same T and eta as the pool."""

import torch
from torch import Tensor

from nsgf.config.pool import Flow
from nsgf.errors import NsgfError
from nsgf.sample.counted import Counted
from nsgf.sample.run import Batch, StatePath, Task


def flow_steps(field: Counted, x: Tensor, flow: Flow, path: StatePath | None) -> Tensor:
    """T steps x <- x + stride v(x, k/T); times on the path count from -T to 0."""
    for k in range(flow.steps):
        if path:
            path.add(x, float(k - flow.steps))
        x = x + flow.stride * field(x, torch.full((len(x),), k / flow.steps, device=x.device))
    return x


def draw(task: Task, x0: Tensor, path: StatePath | None) -> Batch:
    """A batch of NSGF samples.

    Raises:
        NsgfError: the NFE asked for is not the flow's number of steps.
    """
    flow, field = task.stage.flow, Counted(task.net("velocity"))
    if task.nfe != flow.steps:
        raise NsgfError(
            f"NSGF takes as many evaluations as its flow has steps: {flow.steps}, not {task.nfe}",
            "give a flow with that many steps",
        )
    x = flow_steps(field, x0, flow, path)
    if path:
        path.add(x, 0.0)
    return Batch(x, field.rows, field.calls)

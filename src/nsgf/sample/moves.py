"""Sampling by stored moves, one network each: x <- x + f_k(x)."""

import torch
from torch import Tensor

from nsgf.registry import METHODS
from nsgf.sample.counted import Counted
from nsgf.sample.run import Batch, StatePath, Task


def draw(task: Task, x0: Tensor, path: StatePath | None) -> Batch:
    """A batch of samples of a method whose training stored a sequence of moves."""
    (name,) = METHODS[task.stage.method].networks
    fields = [Counted(net) for net in task.networks[name].values()]
    x, steps = x0, len(fields)
    for k, field in enumerate(fields):
        if path:
            path.add(x, k / steps)
        x = x + field(x, torch.full((len(x),), k / steps, device=x.device))
    if path:
        path.add(x, 1.0)
    return Batch(x, sum(f.rows for f in fields), sum(f.calls for f in fields))

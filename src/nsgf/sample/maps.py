"""Sampling through a sequence of gradients of convex potentials."""

from torch import Tensor

from nsgf.registry import METHODS
from nsgf.sample.run import Batch, StatePath, Task


def draw(task: Task, x0: Tensor, path: StatePath | None) -> Batch:
    """A batch of samples of a method whose training stored convex potentials."""
    (name,) = METHODS[task.stage.method].networks
    maps, x = list(task.networks[name].values()), x0
    for k, net in enumerate(maps):
        if path:
            path.add(x, k / len(maps))
        x = net.gradient(x)
    if path:
        path.add(x, 1.0)
    return Batch(x, len(maps) * len(x0), len(maps))

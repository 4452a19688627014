"""Sampling by the states that a scheme kept: images of noise under the last one are drawn."""

from torch import Tensor

from nsgf.registry import METHODS
from nsgf.sample.run import Batch, StatePath, Task


def draw(task: Task, x0: Tensor, path: StatePath | None) -> Batch:
    """A batch of samples; its path is where the same noise was at every state that was kept."""
    (name,) = METHODS[task.stage.method].networks
    states = list(task.networks[name].values())
    if path:
        for k, net in enumerate(states):
            path.add(_image(net, x0), k / max(1, len(states) - 1))
    return Batch(_image(states[-1], x0), len(x0), 1)


def _image(net, x0: Tensor) -> Tensor:
    found = net(x0)
    return found if isinstance(found, Tensor) else found[0]

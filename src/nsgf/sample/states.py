"""Sampling by the states that a scheme kept: images of noise under the last one are drawn."""

from torch import Tensor

from nsgf.registry import METHODS
from nsgf.sample.run import Batch, StatePath, Task
from nsgf.train.steps import step_of


def draw(task: Task, x0: Tensor, path: StatePath | None) -> Batch:
    """A batch of samples; its path is where the same noise was at every state that was kept."""
    (name,) = METHODS[task.stage.method].networks
    states = {step_of(key): net for key, net in task.networks[name].items()}
    last = max(states)
    if path:
        for step, net in states.items():
            path.add(_image(net, x0), step / max(1, last))
    return Batch(_image(states[last], x0), len(x0), 1)


def _image(net, x0: Tensor) -> Tensor:
    found = net(x0)
    return found if isinstance(found, Tensor) else found[0]

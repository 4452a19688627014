"""What schemes in steps of time share: the states that they keep on the way."""

import copy

from torch import nn

from nsgf.config.train import Training
from nsgf.errors import NsgfError


def name_of(step: int) -> str:
    """The name of the state after so many steps, in the order of time."""
    return f"step{step:06d}"


def step_of(name: str) -> int:
    """The number of steps after which a state was kept."""
    return int(name.removeprefix("step"))


class Kept:
    """Copies of a network after every `every` steps and after the last.

    Args:
        steps: of the whole run. every: between two copies.
    """

    def __init__(self, steps: int, every: int):
        self._steps, self._every = steps, every
        self.states: dict[str, nn.Module] = {}

    def offer(self, net: nn.Module, step: int) -> None:
        """The network after `step` steps: a copy is kept if it is time for one."""
        if step % self._every == 0 or step == self._steps:
            self.states[name_of(step)] = copy.deepcopy(net).requires_grad_(False)

    def state_dict(self) -> dict:
        """What `load_state_dict` goes on from."""
        return {name: net.state_dict() for name, net in self.states.items()}

    def load_state_dict(self, state: dict, like: nn.Module) -> None:
        """Take up what `state_dict` gave, of networks like one."""
        self.states = {}
        for name, weights in state.items():
            self.states[name] = copy.deepcopy(like).requires_grad_(False)
            self.states[name].load_state_dict(weights)


def plain(training: Training) -> Training:
    """Settings of a training that takes Adam, or no optimiser, as it is.

    Raises:
        NsgfError: it asks for what schemes in steps of time do not have.
    """
    for key in ("warmup", "clip", "ema"):
        if getattr(training, key):
            raise NsgfError(f"schemes in steps of time have no {key}", f"leave {key} out")
    if training.decay != "none":
        raise NsgfError("schemes in steps of time have no decay", "leave decay out")
    return training


def steps_of(iterations: int, inner: int) -> int:
    """Steps of time in so many updates.

    Raises:
        NsgfError: the last one would not be finished.
    """
    if iterations % inner:
        raise NsgfError(
            f"{iterations} iterations are no whole number of steps of {inner} updates (inner)",
            f"write iterations: {iterations // inner * inner or inner}, or another inner",
        )
    return iterations // inner

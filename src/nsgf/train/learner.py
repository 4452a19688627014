"""What the training loop drives: named networks, one step, and a state to go on from.

Most networks are learnt by `Regression`: one network, one Adam, one scalar loss, which a module's
`objective(problem, pool, batch_size)` gives. A module with `learner(lesson)` instead may
alternate networks, hold a sequence of them, or learn from what other networks make.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

import torch
from torch import Tensor, nn

from nsgf.config.compute import Compute
from nsgf.config.train import Training
from nsgf.data.problem import Problem
from nsgf.device import as_computed, products
from nsgf.flows.pool import Pool
from nsgf.nets.build import initialise
from nsgf.rng import Stream

Field = Callable[..., Tensor]  # a network, as it is called
Objective = Callable[[Field, Stream, int], Tensor]
Modules = dict[str, nn.Module]


class Learner(Protocol):
    """Networks while they are trained.

    Attributes:
        modules: what is stored in the end, by name; built by nsgf.nets.build.
    """

    modules: Modules

    def step(self, k: int, numbers: Stream) -> dict[str, Tensor | float]:
        """Step number k, from 0, with its own random stream.

        Returns: columns of the learning curve: tensors are averaged between two of its lines, plain
        numbers are as they are at the line.
        """

    def finish(self) -> None:
        """After the last step, before `modules` are stored."""

    def state_dict(self) -> dict:
        """Tensors and plain values from which `load_state_dict` goes on bit for bit."""

    def load_state_dict(self, state: dict) -> None:
        """Take up what `state_dict` gave."""


@dataclass(frozen=True)
class Lesson:
    """What a learner is made from.

    Attributes:
        problem: where particles start, and the law that they should reach; its points come from
            the device of the stream that draws them.
        pool: trajectories to learn from, for networks that do; likewise.
        training: settings; `options` are the learner's own.
        device: where networks run.
        seed, names: of random streams; step k draws from `stream(seed, *names, k)`.
        others: networks that were trained before it, by name.
        compute: how networks are called (`nsgf.device.as_computed`).
    """

    problem: Problem
    pool: Pool | None
    training: Training
    device: torch.device
    seed: int
    names: tuple
    others: Mapping[str, Modules]
    compute: Compute

    def network(self, name: str = "") -> nn.Module:
        """A network as `training.net` says, with initial weights from a stream of its name."""
        named = (*self.names, name) if name else self.names
        net = initialise(self.training.net, self.problem.shape, self.seed, *named)
        return net.to(self.device).train()


def learner_of(module: ModuleType, lesson: Lesson) -> Learner:
    """The learner that a method's module describes."""
    if hasattr(module, "learner"):
        return module.learner(lesson)
    loss = module.objective(lesson.problem, lesson.pool, lesson.training.batch_size)
    net = lesson.network()
    return Regression(net, loss, lesson.training, lesson.compute)


class Regression:
    """One network, Adam (0.9, 0.999) and a scalar loss; averaged weights if `training.ema` asks.

    `compute` says how the network is called, by default as it is.
    """

    def __init__(
        self,
        net: nn.Module,
        objective: Objective,
        training: Training,
        compute: Compute | None = None,
    ):
        self.modules = {"net": net}
        self._call = as_computed(net, compute) if compute else net
        self._precision = compute.precision if compute else "float32"
        self._net, self._objective, self._training = net, objective, training
        self._optimiser = torch.optim.Adam(net.parameters(), lr=training.lr, fused=True)
        self._average = [p.detach().clone() for p in net.parameters()] if training.ema else []

    def step(self, k: int, numbers: Stream) -> dict[str, Tensor | float]:
        """One optimiser step on the objective."""
        training, rate = self._training, learning_rate(self._training, k)
        loss = self._objective(self._call, numbers, k)
        self._optimiser.param_groups[0]["lr"] = rate
        self._optimiser.zero_grad()
        with products(self._precision):
            loss.backward()
        if training.clip:
            nn.utils.clip_grad_norm_(self._net.parameters(), training.clip)
        self._optimiser.step()
        if training.ema:
            with torch.no_grad():
                weights = list(self._net.parameters())
                torch._foreach_lerp_(self._average, weights, 1 - training.ema)
        return {"loss": loss.detach(), "lr": rate}

    def finish(self) -> None:
        """Averaged weights take the place of the last ones, if averaging is on."""
        with torch.no_grad():
            for weights, average in zip(self._net.parameters(), self._average, strict=False):
                weights.copy_(average)
        self._net.eval()

    def state_dict(self) -> dict:
        """Weights, Adam's moments, averaged weights."""
        return {
            "net": self._net.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "average": self._average,
        }

    def load_state_dict(self, state: dict) -> None:
        """Take them up."""
        self._net.load_state_dict(state["net"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._average = state["average"]


def learning_rate(training: Training, step: int) -> float:
    """Adam's rate at `step`: linear warm-up, then constant or cosine to 0."""
    if step < training.warmup:
        return training.lr * (step + 1) / training.warmup
    if training.decay == "cosine":
        progress = (step - training.warmup) / (training.iterations - training.warmup)
        return training.lr * (1 + math.cos(math.pi * progress)) / 2
    return training.lr

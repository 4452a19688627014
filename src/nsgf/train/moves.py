"""Learners of a sequence of moves: particles go along, and each move is learnt where they stand.

Move j is learnt by steps j N / K to (j + 1) N / K of N; then its network is stored, all particles
take it, and training goes on from the same weights. Points to be sampled later take the stored
moves, and have no part in training.
"""

import copy
from typing import Protocol

import torch
from torch import Tensor, nn

from nsgf.config.learning import Moves
from nsgf.rng import Stream, stream
from nsgf.train.learner import Lesson, Modules, learning_rate

CHUNK = 8192  # particles moved at a time


class Rule(Protocol):
    """How one move is learnt.

    Attributes:
        mover: network whose values are the displacements of points; what is stored of a move.
        nets: all networks by name, the mover among them. adams: an optimiser of each.
    """

    mover: nn.Module
    nets: nn.ModuleDict
    adams: dict[str, torch.optim.Adam]

    def update(self, k: int, x: Tensor, y: Tensor, t: Tensor) -> dict[str, Tensor]:
        """Update k from particles x and target points y, (n, d), in the move that begins at t,
        (n,); returns columns of the learning curve."""


class MovesLearner:
    """Takes particles along a rule's moves."""

    def __init__(self, lesson: Lesson, options: Moves, rule: Rule):
        self._lesson, self._options, self._rule = lesson, options, rule
        self.modules: Modules = dict(rule.nets)
        self._done: list[nn.Module] = []
        numbers = stream(lesson.seed, *lesson.names, "particles", device=lesson.device)
        self._particles = lesson.problem.source(options.particles, numbers)

    def step(self, k: int, numbers: Stream) -> dict[str, Tensor | float]:
        """One update; at the end of a move all particles take it."""
        training, n = self._lesson.training, self._lesson.training.batch_size
        rate = learning_rate(training, k)
        for adam in self._rule.adams.values():
            adam.param_groups[0]["lr"] = rate
        x = self._particles[numbers.integers(len(self._particles), n)]
        y = self._lesson.problem.target(n, numbers)
        columns = self._rule.update(k, x, y, self._time(n))
        if (k + 1) * self._options.steps // training.iterations > len(self._done):
            self._move()
        return columns | {"lr": rate}

    def _time(self, n: int) -> Tensor:
        """When the present move begins, (n,)."""
        begins = len(self._done) / self._options.steps
        return torch.full((n,), begins, device=self._lesson.device)

    @torch.no_grad()
    def _move(self) -> None:
        mover = self._rule.mover
        moved = [x + mover(x, self._time(len(x))) for x in self._particles.split(CHUNK)]
        self._particles = torch.cat(moved)
        self._done.append(copy.deepcopy(mover))

    def finish(self) -> None:
        """What is stored are the moves, in their order."""
        digits = len(str(len(self._done)))
        self.modules = {f"move{j:0{digits}}": net.eval() for j, net in enumerate(self._done)}

    def state_dict(self) -> dict:
        """Weights and moments, particles, and the moves that are done."""
        return {
            "nets": self._rule.nets.state_dict(),
            "adams": {name: adam.state_dict() for name, adam in self._rule.adams.items()},
            "particles": self._particles,
            "done": [net.state_dict() for net in self._done],
        }

    def load_state_dict(self, state: dict) -> None:
        """Take them up."""
        self._rule.nets.load_state_dict(state["nets"])
        for name, adam in self._rule.adams.items():
            adam.load_state_dict(state["adams"][name])
        self._particles, self._done = state["particles"], []
        for weights in state["done"]:
            self._done.append(copy.deepcopy(self._rule.mover))
            self._done[-1].load_state_dict(weights)


def adam_of(net: nn.Module, lesson: Lesson) -> torch.optim.Adam:
    """Adam (0.9, 0.999) for a network; the rate is set at every step."""
    return torch.optim.Adam(net.parameters(), lr=lesson.training.lr, fused=True)


def descend(adam: torch.optim.Adam, loss: Tensor) -> Tensor:
    """One optimiser step on a loss; returns it without its graph."""
    adam.zero_grad()
    loss.backward()
    adam.step()
    return loss.detach()

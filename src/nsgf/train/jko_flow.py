"""Wasserstein gradient flow by variational JKO steps (Fan et al. 2022), Jensen-Shannon.

T_k = argmin_T E_{P_k} |x - T(x)|^2 / (2 a) + sup_h E_{P_k} log sigmoid(h(T(x)))
      + E_Q log(1 - sigmoid(h(z))),      P_{k+1} = T_k # P_k,

where the supremum is twice the Jensen-Shannon divergence of T # P_k from the target Q, less log 4,
reached at h = log(dP / dQ). T(x) = x + f(x). A round is some updates of h, then some of T; both
networks go on from step to step. What Fan et al. do otherwise: their particles are drawn anew
through all maps, ours are taken along; one batch serves a round, ours are drawn for every update.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from nsgf.config.learning import JKO
from nsgf.nets.build import initialise
from nsgf.nets.potential_mlp import Config as Potential
from nsgf.train.learner import Learner, Lesson
from nsgf.train.moves import MovesLearner, adam_of, descend

NEAR = 1e-2  # the map's last layer at the start, times what it would be: T is close to x


def gap(at_moved: Tensor, at_target: Tensor) -> Tensor:
    """What the potential raises, from its heights (n,) at T(x) and at target points."""
    return -softplus(-at_moved).mean() - softplus(at_target).mean()


class Step:
    """Rounds of updates of the potential and of the map."""

    def __init__(self, lesson: Lesson, options: JKO):
        self._options, self.mover = options, lesson.network("map")
        potential = Potential(width=options.width, depth=options.depth)
        names = (*lesson.names, "potential")
        self._potential = initialise(potential, lesson.problem.shape, lesson.seed, *names)
        self._potential.to(lesson.device).train()
        with torch.no_grad():
            for p in list(self.mover.parameters())[-2:]:
                p.mul_(NEAR)
        self.nets = nn.ModuleDict({"map": self.mover, "potential": self._potential})
        self.adams = {name: adam_of(net, lesson) for name, net in self.nets.items()}

    def update(self, k: int, x: Tensor, y: Tensor, t: Tensor) -> dict[str, Tensor]:
        """One step of the potential's Adam or of the map's."""
        options, height = self._options, self._potential.height
        if k % (options.potential_updates + options.map_updates) < options.potential_updates:
            with torch.no_grad():
                moved = x + self.mover(x, t)
            loss = descend(self.adams["potential"], -gap(height(moved), height(y)))
            return {"gap": -loss}
        moved = x + self.mover(x, t)
        cost = (moved - x).square().sum(1).mean() / (2 * options.proximal_step)
        descend(self.adams["map"], cost - softplus(-height(moved)).mean())
        return {"cost": cost.detach()}


def learner(lesson: Lesson) -> Learner:
    """Maps, one a step."""
    options = JKO(**lesson.training.options)
    return MovesLearner(lesson, options, Step(lesson, options))

"""Euler-Maruyama particles of a Fokker-Planck equation; nothing is learnt."""

import torch
from torch import Tensor, nn

from nsgf.errors import NsgfError
from nsgf.jko.langevin import euler_maruyama
from nsgf.rng import Stream
from nsgf.studies.diffusion.options import Langevin
from nsgf.studies.diffusion.target import slope_of, target_of
from nsgf.train.learner import Learner, Lesson
from nsgf.train.steps import Kept, plain


class LangevinLearner:
    """Particles as the training loop drives them; an iteration is a step of time."""

    def __init__(self, lesson: Lesson, options: Langevin):
        training, d = plain(lesson.training), lesson.problem.shape[0]
        self._net, self._step = lesson.network().requires_grad_(False), options.step
        if len(self._net.x) != training.batch_size:
            raise NsgfError(
                f"{len(self._net.x)} points (net.count), and a batch of {training.batch_size}",
                "all particles move at once: give both the same number",
            )
        self._slope = slope_of(target_of(lesson.seed, *lesson.names[2:], d))
        self._kept = Kept(training.iterations, options.keep_every)
        self._kept.offer(self._net, 0)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The particles after each step that is kept."""
        return self._kept.states

    def step(self, k: int, numbers: Stream) -> dict[str, Tensor | float]:
        """A step: the particles' mean squared distance from 0, data units squared."""
        with torch.no_grad():
            x = euler_maruyama(self._net.x, self._slope, self._step, 1, numbers)
            self._net.x.copy_(x)
        self._kept.offer(self._net, k + 1)
        return {"square": x.square().sum(1).mean()}

    def finish(self) -> None:
        """Nothing is left to do."""

    def state_dict(self) -> dict:
        """Where the particles are, and what is kept."""
        return {"net": self._net.state_dict(), "kept": self._kept.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Take them up."""
        self._net.load_state_dict(state["net"])
        self._kept.load_state_dict(state["kept"], self._net)


def learner(lesson: Lesson) -> Learner:
    """Clouds, one a step that is kept."""
    return LangevinLearner(lesson, Langevin(**lesson.training.options))

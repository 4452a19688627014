"""JKO-ICNN (Mokrov et al. 2021) on the free energy of a Fokker-Planck equation."""

from torch import Tensor, nn

from nsgf.jko.icnn import JKOICNN
from nsgf.rng import Stream
from nsgf.studies.diffusion.options import Convex
from nsgf.studies.diffusion.target import potential_of, target_of
from nsgf.train.learner import Learner, Lesson
from nsgf.train.steps import name_of, plain, steps_of


class ConvexLearner:
    """The scheme as the training loop drives it; an iteration is an update."""

    def __init__(self, lesson: Lesson, options: Convex):
        training, d = plain(lesson.training), lesson.problem.shape[0]
        steps_of(training.iterations, options.inner)
        self._finished = False
        potential = potential_of(target_of(lesson.seed, *lesson.names[2:], d))
        self._scheme = JKOICNN(
            lesson.network(),
            d,
            potential,
            options.tau,
            options.inner,
            training.batch_size,
            training.lr,
        )

    @property
    def modules(self) -> dict[str, nn.Module]:
        """All maps by the step that they end, and the present one."""
        maps = [*self._scheme.maps]
        if not self._finished:
            maps.append(self._scheme.net)
        return {name_of(k + 1): net for k, net in enumerate(maps)}

    def step(self, k: int, numbers: Stream) -> dict[str, Tensor | float]:
        """An update: the objective, up to a constant."""
        return {"objective": self._scheme.update(k, numbers)["loss"]}

    def finish(self) -> None:
        """The last map is done."""
        self._scheme.finish()
        self._finished = True

    def state_dict(self) -> dict:
        """The scheme's."""
        return self._scheme.state_dict()

    def load_state_dict(self, state: dict) -> None:
        """Take it up."""
        self._scheme.load_state_dict(state)


def learner(lesson: Lesson) -> Learner:
    """Convex potentials, one a step."""
    return ConvexLearner(lesson, Convex(**lesson.training.options))

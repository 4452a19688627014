"""SW-JKO by a normalising flow (arXiv:2110.10972): the free energy of a Fokker-Planck equation."""

from torch import Tensor, nn

from nsgf.jko.functionals import Functional, entropy, potential, total
from nsgf.jko.measure import Pushforward
from nsgf.jko.scheme import Proximal, SlicedJKO
from nsgf.rng import Stream
from nsgf.studies.diffusion.options import Sliced
from nsgf.studies.diffusion.target import potential_of, target_of
from nsgf.train.learner import Learner, Lesson
from nsgf.train.steps import Kept, plain, steps_of


class SlicedLearner:
    """The scheme as the training loop drives it; an iteration is an update.

    Args:
        lesson, options: settings. net: what is moved and kept. family: of which it is a member.
        functional: F.
    """

    def __init__(
        self,
        lesson: Lesson,
        options: Sliced,
        net: nn.Module,
        family: nn.Module,
        functional: Functional,
    ):
        training = plain(lesson.training)
        steps = steps_of(training.iterations, options.inner)
        proximal = Proximal(
            tau=options.tau,
            inner=options.inner,
            batch=training.batch_size,
            count=options.directions,
            kind=options.kind,
            lr=training.lr,
            common=options.noise == "common",
        )
        self._net, self._inner = net, options.inner
        self._scheme = SlicedJKO(family, functional, proximal)
        self._kept = Kept(steps, options.keep_every)
        self._kept.offer(net, 0)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The flow after each step that is kept."""
        return self._kept.states

    def step(self, k: int, numbers: Stream) -> dict[str, Tensor | float]:
        """An update: the functional up to a constant, and SW_2^2 to the step before."""
        told = self._scheme.update(k, numbers)
        if (k + 1) % self._inner == 0:
            self._kept.offer(self._net, self._scheme.steps)
        return told

    def finish(self) -> None:
        """Nothing is left to do."""

    def state_dict(self) -> dict:
        """The scheme, and what is kept."""
        return {"scheme": self._scheme.state_dict(), "kept": self._kept.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Take them up."""
        self._scheme.load_state_dict(state["scheme"])
        self._kept.load_state_dict(state["kept"], self._net)


def learner(lesson: Lesson) -> Learner:
    """Flows, one a step that is kept."""
    d, net = lesson.problem.shape[0], lesson.network()
    target = target_of(lesson.seed, *lesson.names[2:], d)  # behind "train" and the network
    free_energy = total(potential(potential_of(target)), entropy)
    options = Sliced(**lesson.training.options)
    return SlicedLearner(lesson, options, net, Pushforward(net, d), free_energy)

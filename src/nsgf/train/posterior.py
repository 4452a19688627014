"""SW-JKO by a normalising flow to the posterior of a logistic regression (arXiv:2110.10972)."""

from nsgf.jko.functionals import entropy, potential, total
from nsgf.jko.measure import Pushforward
from nsgf.studies.diffusion.options import Sliced
from nsgf.studies.logistic.split import split_of
from nsgf.train.learner import Learner, Lesson
from nsgf.train.sw_jko import SlicedLearner


def learner(lesson: Lesson) -> Learner:
    """Flows, one a step that is kept; the likelihood is a sum over all rows that are seen."""
    net, (dataset, seed) = lesson.network(), lesson.names[2:]
    posterior = split_of(lesson.seed, dataset, seed).posterior
    free_energy = total(potential(posterior.potential), entropy)
    options = Sliced(**lesson.training.options)
    family = Pushforward(net, posterior.dimension)
    return SlicedLearner(lesson, options, net, family, free_energy)

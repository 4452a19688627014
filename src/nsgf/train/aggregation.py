"""SW-JKO on interaction energies (arXiv:2110.10972), by whatever family."""

from nsgf.registry import DATASETS
from nsgf.studies.aggregation.energies import ENERGIES
from nsgf.studies.aggregation.family import family_of
from nsgf.studies.diffusion.options import Sliced
from nsgf.train.learner import Learner, Lesson
from nsgf.train.sw_jko import SlicedLearner


def learner(lesson: Lesson) -> Learner:
    """Members of a family, one a step that is kept."""
    options = Sliced(**lesson.training.options)
    energy = ENERGIES[DATASETS[lesson.names[2]].target.rpartition(".")[2]]
    net = lesson.network()
    return SlicedLearner(lesson, options, net, family_of(net, 2), energy.functional)

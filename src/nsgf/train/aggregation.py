"""SW-JKO on interaction energies (arXiv:2110.10972), by whatever family."""

import torch
from torch import nn

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
    if energy.centred:
        mirror(net)
    return SlicedLearner(lesson, options, net, family_of(net, 2), energy.functional)


def mirror(net: nn.Module) -> None:
    """Points in pairs, x and -x, if it is points that are moved.

    A drift away from 0 carries off a cloud that is beside it by chance; one that is its own mirror
    image stays so.
    """
    if hasattr(net, "x"):
        with torch.no_grad():
            half = len(net.x) // 2
            net.x[half : 2 * half] = -net.x[:half]

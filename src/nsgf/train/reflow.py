"""Reflow (Liu et al. 2023): a straight flow learnt anew on the pairs that the last one makes.

z_0 from the source, z_1 where the trained flow takes it by Euler steps; then straight-path
regression on these pairs, which stay as they are: no pair is broken and no training point is seen
again. The network goes on from the last one's weights with a new optimiser.
"""

import torch
from torch import Tensor, nn

from nsgf.config.learning import Reflow
from nsgf.progress import bar
from nsgf.rng import stream
from nsgf.train.learner import Learner, Lesson, Regression
from nsgf.train.matching import straight_objective

CHUNK = 8192  # points integrated at a time


def learner(lesson: Lesson) -> Learner:
    """Straight-path regression on stored pairs."""
    ((before, *_),) = (tuple(nets.values()) for nets in lesson.others.values())
    options = Reflow(**lesson.training.options)
    numbers = stream(lesson.seed, *lesson.names, "pairs", device=lesson.device)
    z0 = lesson.problem.source(options.pairs, numbers)
    z1 = carried(before, z0, options.steps)

    def pairs(numbers):
        rows = numbers.integers(len(z0), lesson.training.batch_size)
        return z0[rows], z1[rows]

    net = lesson.network()
    net.load_state_dict(before.state_dict())
    return Regression(net, straight_objective(pairs), lesson.training, lesson.compute)


@torch.no_grad()
def carried(net: nn.Module, x: Tensor, steps: int) -> Tensor:
    """Where Euler's `steps` equal steps from t = 0 to 1 take points x (n, d)."""
    ends = []
    with bar(len(x), "pairs of the last flow") as progress:
        for part in x.split(CHUNK):
            for k in range(steps):
                part = part + net(part, part.new_full((len(part),), k / steps)) / steps
            ends.append(part)
            progress.update(len(part))
    return torch.cat(ends)

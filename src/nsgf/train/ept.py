"""EPT without outer loop (Gao et al. 2022): particles follow the gradient of a density ratio.

R estimates r = q / p, q the particles' density, p the target's, by least squares (LSIF) with a
penalty on its gradient at target points:

loss(R) = E_p R^2 - 2 E_q R + penalty E_p |grad R|^2

and points move by -step_size grad R, the Wasserstein gradient of Pearson's chi^2 divergence of q
from p, halved. R goes on from move to move.
"""

import torch
from torch import Tensor, nn

from nsgf.config.learning import DensityRatio
from nsgf.train.learner import Learner, Lesson
from nsgf.train.moves import MovesLearner, adam_of, descend


def ratio_loss(ratio, x: Tensor, y: Tensor, penalty: float) -> Tensor:
    """The loss of a ratio, (n, d) to (n,), from particles x and target points y, (n, d)."""
    at = y.detach().requires_grad_()
    value = ratio(at)
    (slope,) = torch.autograd.grad(value.sum(), at, create_graph=True)
    return value.square().mean() - 2 * ratio(x).mean() + penalty * slope.square().sum(1).mean()


class Ratio:
    """Every update lowers the ratio's loss."""

    def __init__(self, lesson: Lesson, penalty: float):
        self.mover, self._penalty = lesson.network(), penalty
        self.nets = nn.ModuleDict({"ratio": self.mover})
        self.adams = {"ratio": adam_of(self.mover, lesson)}

    def update(self, k: int, x: Tensor, y: Tensor, t: Tensor) -> dict[str, Tensor]:
        """One step of Adam."""
        loss = ratio_loss(self.mover.height, x, y, self._penalty)
        return {"ratio_loss": descend(self.adams["ratio"], loss)}


def learner(lesson: Lesson) -> Learner:
    """Density ratios, one a move."""
    options = DensityRatio(**lesson.training.options)
    return MovesLearner(lesson, options, Ratio(lesson, options.penalty))

"""The phase-transition time predictor (NSGF++, Algorithm 3): regress t on the straight path.

X_t = (1 - t) X_0 + t Y with independent X_0 and Y, t ~ U(0, 1), loss (t - t_phi(X_t))^2.
"""

from torch.nn.functional import mse_loss

from nsgf.data.problem import Problem
from nsgf.train.learner import Objective
from nsgf.train.matching import interpolate


def objective(problem: Problem, pool: None, batch_size: int) -> Objective:
    """Mean squared error of the predicted time."""

    def loss(net, numbers, step):
        x0, x1 = problem.source(batch_size, numbers), problem.target(batch_size, numbers)
        t = numbers.uniform(batch_size)
        return mse_loss(net(interpolate(x0, x1, t)), t)

    return loss

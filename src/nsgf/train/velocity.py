"""Velocity-field matching (NSGF, Algorithm 1 b): regress v_theta(x, t) on the trajectory pool.

loss = mean |v_theta(X_k, k/T) - v_hat(X_k)|^2 over pool rows, batch and coordinates.
"""

from torch.nn.functional import mse_loss

from nsgf.data.problem import Problem
from nsgf.flows.pool import Pool
from nsgf.train.learner import Field, Objective


def objective(problem: Problem, pool: Pool, batch_size: int) -> Objective:
    """The loss of one step; `problem` is unused, all is in the pool."""

    def loss(net: Field, numbers, step: int):
        rows = pool.draw(batch_size, numbers, step)
        return mse_loss(net(rows.x, rows.t), rows.v)

    return loss

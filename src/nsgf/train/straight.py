"""Neural straight flow: independent pairs (NSGF, Algorithm 3).

The same network as flow matching with sigma = 0 and as 1-rectified flow.
"""

from nsgf.data.problem import Problem
from nsgf.train.learner import Objective
from nsgf.train.matching import straight_objective


def objective(problem: Problem, pool: None, batch_size: int) -> Objective:
    """Straight-path regression with x_0 and x_1 drawn independently."""

    def pairs(numbers):
        return problem.source(batch_size, numbers), problem.target(batch_size, numbers)

    return straight_objective(pairs)

"""A straight flow between stored pairs: where a pool's particles start, and where its one step
takes them.

With exact optimal transport (flow.backend exact, step_size 1) this is OT-CFM on minibatches that
are solved once, and may so be larger than training could solve at every step.
"""

from nsgf.data.problem import Problem
from nsgf.flows.pool import Pool
from nsgf.train.learner import Objective
from nsgf.train.matching import straight_objective


def objective(problem: Problem, pool: Pool, batch_size: int) -> Objective:
    """Straight-path regression on the pool's pairs; `problem` is unused, all is in the pool."""

    def pairs(numbers):
        rows = pool.draw(batch_size, numbers)
        return rows.x, rows.x + rows.v

    return straight_objective(pairs)

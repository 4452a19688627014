"""OT-CFM: pairs by exact minibatch optimal transport (Tong et al. 2023), sigma = 0.

torchcfm draws n pairs with replacement from the optimal plan of uniform weights. That plan is a
permutation, so we take the permutation itself: the same pairs in expectation, without repeats.
"""

import numpy as np
import ot
import torch
from torch import Tensor

from nsgf.data.problem import Problem
from nsgf.ot.coupling import half_squared_distance
from nsgf.train.learner import Objective
from nsgf.train.matching import straight_objective


def optimal_order(x0: Tensor, x1: Tensor) -> Tensor:
    """The permutation p that minimises sum_i |x0_i - x1_p(i)|^2, (n,) int64."""
    cost = half_squared_distance(x0.double(), x1.double()).cpu().numpy()
    plan = ot.emd([], [], cost)
    return torch.from_numpy(np.argmax(plan, axis=1)).to(x0.device)


def objective(problem: Problem, pool: None, batch_size: int) -> Objective:
    """Straight-path regression on optimally paired minibatches."""

    def pairs(numbers):
        x0, x1 = problem.source(batch_size, numbers), problem.target(batch_size, numbers)
        return x0, x1[optimal_order(x0, x1)]

    return straight_objective(pairs)

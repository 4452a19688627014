"""One way down in eps, and what lies at its end; the same on every device."""

from dataclasses import dataclass

import torch
from torch import Tensor

WARM, HEAT = 0.12, 4.0  # a warm start with a larger error than WARM begins HEAT times as hot
FAR = 10.0  # span of a Newton step, in eps, beyond which it is clipped rather than solved for
RTOL, MAX_CG = 0.1, 500  # of conjugate gradients: residual asked for, and their limit
ENOUGH = 0.5  # of the error that is aimed at: less residual is never asked for
# Of the column masses: H is singular along constants and between far clusters.
RIDGE = {torch.float32: 1e-6, torch.float64: 1e-12}
LEAST_COLUMN = 1e-3  # of 1 / m: a column's mass as conjugate gradients' scale takes it
# Entries of a plan below TINY are 0, and exponentials below LEAST: their squares and their products
# with vectors and rows' sums would be subnormal numbers, over each of which some processors take a
# hundred times as long. Beside a row's sum of 1 they are nothing.
TINY = {torch.float32: 1e-18, torch.float64: 1e-150}
LEAST = {torch.float32: 1e-30, torch.float64: 1e-300}


# Marginal errors below this cannot be told in a precision: its sums are no more exact.
FLOOR = {torch.float32: 5e-7, torch.float64: 1e-13}
LOST = 2.0  # the error of a potential that did not come down to eps, or did not come to rest


@dataclass(frozen=True)
class Schedule:
    """One way down in eps.

    Attributes:
        fine: marginal error aimed at, (B,), float64.
        halve: ratio between successive eps. follow: marginal error below which it is taken.
        clip: largest change of a potential in one step, in units of eps.
        max_steps: Newton steps before giving up.
    """

    fine: Tensor
    halve: float = 2.0
    follow: float = 0.1
    clip: float = 2.0
    max_steps: int = 80


@dataclass(frozen=True)
class Solution:
    """Entropic plans and the potentials that make them, for a batch of B problems.

    Attributes:
        plan: row-normalised, pi(j | i), (B, n, m).
        f, g: potentials on rows and columns, float64, (B, n) and (B, m), units of the cost.
        error: sum_j |sum_i pi_ij - 1/m|, float64, (B,).
        iterations: passes over the cost or plan matrix that the worst problem took, count.
    """

    plan: Tensor
    f: Tensor
    g: Tensor
    error: Tensor
    iterations: int

"""One way down in eps, and what lies at its end; the same on every device."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """One way down in eps.

    Attributes:
        fine: marginal error aimed at. tol: the largest accepted after PATIENCE steps at eps.
        halve: ratio between successive eps. follow: marginal error below which it is taken.
        clip: largest change of a potential in one step, in units of eps.
        max_steps: Newton steps before giving up.
    """

    fine: float
    tol: float
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

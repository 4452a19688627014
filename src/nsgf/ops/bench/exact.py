"""Velocities to check others by: float64, dense, and sharing no line with the solver.

The semi-dual F(g) = mean_j g_j - eps mean_i log mean_j exp((g_j - c_ij) / eps) is maximised by
Newton's method with the whole Hessian, a line search on F, and eps halved from the cost's own size.
"""

import numpy as np
import scipy.linalg

COLUMN = 1e-9  # relative error of any column's mass, largest
MAX_STEPS = 200  # at one eps


def velocity(x: np.ndarray, y: np.ndarray, blur: float) -> tuple[np.ndarray, float]:
    """T_xy - T_xx at every particle, and the larger column error of the two plans.

    Args:
        x: (n, d) float64, data units. y: (m, d). blur: square root of eps.
    """
    at = x.mean(0)
    across, error = projection(x - at, y - at, blur**2)
    within, other = projection(x - at, x - at, blur**2)
    return across - within, max(error, other)


def projection(x: np.ndarray, y: np.ndarray, eps: float) -> tuple[np.ndarray, float]:
    """T_xy(x_i) = sum_j pi(j | i) y_j, (n, d), and the largest relative error of a column."""
    gaps = np.empty((len(x), len(y)))
    for row, point in zip(gaps, x, strict=True):  # by differences: products would cancel
        row[:] = np.square(point - y).sum(1) / 2
    plan, error = _plan(gaps, eps)
    return plan @ y, error


def _plan(cost: np.ndarray, eps: float) -> tuple[np.ndarray, float]:
    """The row-normalised entropic plan."""
    spread = cost - cost.mean(0) - cost.mean(1, keepdims=True) + cost.mean()
    level, g = max(eps, float(np.sqrt(np.square(spread).mean()))), cost.mean(0)
    while True:
        plan, g, error = _maximise(cost, g, level, COLUMN if level == eps else 1e-3)
        if level == eps:
            return plan, error
        level = max(eps, level / 2)


def _maximise(cost: np.ndarray, g: np.ndarray, eps: float, goal: float):
    """Plan, potential and column error at one eps, from the potential g."""
    (n, m), (value, plan) = cost.shape, _dual(cost, g, eps)
    for _ in range(MAX_STEPS):
        col = plan.mean(0)
        r = 1 / m - col
        error = float(m * np.abs(r).max())
        if error <= goal:
            break
        # Constants are in H's kernel; the ridge is for clusters that exchange next to nothing.
        hessian = np.diag(col * (1 + 1e-13)) - plan.T @ plan / n + 1 / m**2
        d = scipy.linalg.solve(hessian, r, assume_a="sym", check_finite=False)
        rise, step = float(r @ d), min(1.0, 20 / max(np.ptp(d), 1e-300))
        while step > 1e-8:
            tried, its = _dual(cost, g + step * eps * d, eps)
            flatter = m * np.abs(1 / m - its.mean(0)).max() <= error / 2  # where F no longer tells
            if flatter or tried >= value + 0.1 * step * eps * rise:
                break
            step /= 2
        else:
            break
        g, value, plan = g + step * eps * d, tried, its
    return plan, g, error


def _dual(cost: np.ndarray, g: np.ndarray, eps: float) -> tuple[float, np.ndarray]:
    logits = (g - cost) / eps
    top = logits.max(1, keepdims=True)
    weights = np.exp(logits - top)
    total = weights.sum(1, keepdims=True)
    return float(g.mean() - eps * (top + np.log(total / g.size)).mean()), weights / total

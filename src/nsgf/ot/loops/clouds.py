"""Distances, projections and moments of clouds in few dimensions.

They are stored by coordinate, (d, n), which serves a row of a matrix at a time.
"""

import math

import numpy as np

from nsgf.compiled import inner
from nsgf.ot.loops.elementary import mean


@inner
def centre(points, columns):
    """Points (n, d) about their mean, as `columns` (d, n).

    Returns: that mean, as it was rounded, and the mean that is left, both float64, (d,).
    """
    n, d = points.shape
    middle, rest = np.empty(d), np.empty(d)
    for k in range(d):
        for i in range(n):
            columns[k, i] = points[i, k]
        at = points.dtype.type(mean(columns[k]))
        for i in range(n):
            columns[k, i] -= at
        middle[k], rest[k] = at, mean(columns[k])
    return middle, rest


@inner
def fill_rows(cost, x, y, out, lo, hi):
    """|x_i - y_j|^2 / 2, or what stands in `cost` where the clouds have no dimension.

    By differences: exact to rounding, and cheap in few dimensions.
    """
    for i in range(lo, hi):
        row = out[i]
        for j in range(row.size):
            row[j] = 0 if len(y) else cost[i, j]
        for k in range(len(y)):
            a, column = x[k, i], y[k]
            for j in range(row.size):
                gap = a - column[j]
                row[j] += row.dtype.type(0.5) * (gap * gap)


@inner
def displace_rows(plan, x, y, apart, out, squares, gaps, lo, hi):
    """T(x_i) - x_i, moved by `apart`, |T(x_i)|^2, |T(x_i) - x_i|^2, for rows lo..hi."""
    for i in range(lo, hi):
        row, square, gap = plan[i], out.dtype.type(0), out.dtype.type(0)
        for k in range(len(y)):
            column, s = y[k], out.dtype.type(0)
            for j in range(row.size):
                s += row[j] * column[j]
            square += s * s
            out[i, k] = s - x[k, i]
            gap += out[i, k] * out[i, k]
            out[i, k] += apart[k]
        squares[i], gaps[i] = square, gap


@inner
def moments(plan, squares, gaps, x, y, out):
    """`nsgf.ot.error.moments` of centred clouds.

    A cost by differences is off by itself, and by |x - y| times what its points are rounded by; of
    costs only those matter over which the plan sends mass.

    Args:
        squares: |T(x_i)|^2. gaps: |T(x_i) - x_i|^2.
    """
    unit, variance, stirred = np.finfo(plan.dtype).eps, 0.0, 0.0
    _, out[1], out[2] = _squares(x)
    yy, out[3], out[4] = _squares(y)
    size = math.sqrt(out[2]) + math.sqrt(out[4])
    for i in range(len(plan)):
        row, about = plan[i], plan.dtype.type(0)
        for j in range(yy.size):
            about += row[j] * yy[j]
        # Below its rounding a variance is not seen.
        here = max(about - squares[i], unit * about)
        way = here + gaps[i]
        variance = max(variance, here)
        stirred += here * (way / 2 + math.sqrt(way) * size) ** 2
    out[0], out[5] = variance, math.sqrt(stirred / len(plan))


@inner
def _squares(points):
    """|p|^2 of each point, their mean and the largest."""
    squares, most = np.empty(points.shape[1], points.dtype), 0.0
    for i in range(squares.size):
        squares[i] = 0
        for k in range(len(points)):
            squares[i] += points[k, i] * points[k, i]
        most = max(most, squares[i])
    return squares, mean(squares), most

"""What figures of points share: draws of the target law, and frames for points."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from nsgf.data.problem import open_problem
from nsgf.rng import stream

N_TARGET = 1024


def target_points(seed: int, dataset: str) -> np.ndarray:
    """Draws of a data set's target law, (1024, d), data units; the same in all figures of a run."""
    problem = open_problem(dataset, None)
    drawn = problem.target(N_TARGET, stream(seed, "figure target", dataset))
    return problem.in_units(drawn).numpy()


def frame(axes: Axes, half: float, centre: Sequence[float] = (0, 0)) -> None:
    """Show the square of side 2 half around a centre."""
    x, y = centre
    axes.set(xlim=(x - half, x + half), ylim=(y - half, y + half), aspect="equal")


def dots(axes: Axes, points: np.ndarray, colour: object, size: float, **options) -> None:
    """Scatter (n, 2) points, without outlines and as pixels in a PDF; size in points squared."""
    style = {"s": size, "color": [colour], "linewidths": 0, "rasterized": True}
    axes.scatter(points[:, 0], points[:, 1], **style | options)

"""What figures of points share: draws of the target law, and frames for points."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from nsgf.data.problem import open_problem
from nsgf.registry import DATASETS
from nsgf.rng import stream

N_TARGET, MOST = 1024, 4096


def target_points(seed: int, dataset: str) -> np.ndarray:
    """Points of a data set's target, (n, d), data units; the same in all figures of a run.

    1024 draws of a law; the training points of a cloud of one's own, each once and at most 4096.
    """
    problem, cloud = open_problem(dataset, None), DATASETS[dataset].cloud
    numbers = stream(seed, "figure target", dataset)
    if cloud:
        return problem.in_units(problem.target_iid(min(cloud.train, MOST), numbers)).numpy()
    return problem.in_units(problem.target(N_TARGET, numbers)).numpy()


def frame(axes: Axes, half: float, centre: Sequence[float] = (0, 0)) -> None:
    """Show the square of side 2 half around a centre."""
    x, y = centre
    axes.set(xlim=(x - half, x + half), ylim=(y - half, y + half), aspect="equal")


def dots(axes: Axes, points: np.ndarray, colour: object, size: float, **options) -> None:
    """Scatter (n, 2) points, without outlines and as pixels in a PDF; size in points squared."""
    style = {"s": size, "color": [colour], "linewidths": 0, "rasterized": True}
    axes.scatter(points[:, 0], points[:, 1], **style | options)

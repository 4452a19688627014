"""Points as people bring them: arrays or tensors of any shape, checked before anything is built."""

import hashlib
import numbers

import numpy as np
import torch

from nsgf.data.cloud import Cloud, units
from nsgf.data.problem import CloudProblem, Problem, open_problem
from nsgf.errors import NsgfError
from nsgf.registry import DATASETS

NAME = "points"  # of a cloud in random streams


def points_of(x, what: str, shape: tuple[int, ...] | None = None, least: int = 2) -> np.ndarray:
    """An array or a tensor as float32 (n, *shape), C order.

    Raises:
        NsgfError: it holds no numbers, nan or inf; it has fewer than `least` rows; or its points
            are of another shape than `shape`.
    """
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu().numpy()
    if np.ma.is_masked(x):
        raise NsgfError(f"{what} has masked values", "leave such rows out, or fill them in")
    try:
        found = np.asarray(x)
        if found.dtype.kind not in "fiub":
            raise ValueError(f"it holds {found.dtype}")
        with np.errstate(over="ignore"):  # told below, with its row
            found = np.ascontiguousarray(found, np.float32)
    except ValueError as error:
        raise NsgfError(f"{what} is no array of numbers: {error}", "give floats") from error
    if found.ndim < 2 or 0 in found.shape[1:]:
        raise NsgfError(f"{what} has shape {found.shape}", "give (n, d), or (n, *shape)")
    if shape is not None and found.shape[1:] != tuple(shape):
        raise NsgfError(
            f"points of {what} have shape {found.shape[1:]}, not {tuple(shape)}",
            "give points like those that it was fitted on",
        )
    if len(found) < least:
        raise NsgfError(f"{what} has {len(found)} points", f"give at least {least}")
    if not np.isfinite(found).all():
        row = int(np.argwhere(~np.isfinite(found))[0][0])
        raise NsgfError(
            f"row {row} of {what} holds nan, inf or a number beyond float32",
            "leave such rows out, or fill them in",
        )
    return found


def seed_of(value, what: str) -> int:
    """A seed as a plain number.

    Raises:
        NsgfError: it is no whole number of at least 0.
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < 0:
        raise NsgfError(f"{what} is {value!r}", "give a whole number of at least 0")
    return int(value)


def standard_way(x: np.ndarray, asked: str) -> str:
    """How points (n, *shape) are standardised where `asked` is auto: coordinates of vectors each by
    its own deviation, those of points with more axes, such as pixels, by one number.

    Raises:
        NsgfError: there is no such way.
    """
    if asked not in ("auto", "each", "one", "none"):
        raise NsgfError(f"cannot standardise by {asked!r}", "give auto, each, one or none")
    return {2: "each"}.get(x.ndim, "one") if asked == "auto" else asked


def problem_of(x, source, standardise: str) -> tuple[Problem, str, str]:
    """What is to be learnt, its name in random streams, and a digest of its points.

    Args:
        x: points, or the name of a law of nsgf.registry. source: starting points, or None.
        standardise: as in `nsgf.NSGF`.

    Raises:
        NsgfError: as `points_of`; or there is no such law or way to standardise.
    """
    if isinstance(x, str):
        if x in DATASETS and DATASETS[x].is_image:
            raise NsgfError(f"'{x}' is an image set", "give its images as an array")
        if source is not None:
            raise NsgfError(f"law '{x}' has a source of its own", "give points for another one")
        return open_problem(x, None), x, x
    x = points_of(x, "x")
    source = None if source is None else points_of(source, "source", x.shape[1:])
    how = standard_way(x, standardise)
    digest = hashlib.sha256()
    for part in (x, *([] if source is None else [source])):
        digest.update(repr(part.shape).encode() + part.tobytes())
    points = Cloud(x, x[:0], *units(x, how))
    return CloudProblem(points, source), NAME, digest.hexdigest()

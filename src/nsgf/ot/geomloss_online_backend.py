"""GeomLoss's online loop as a backend: the same numbers without the cost matrix, through KeOps."""

import functools
import importlib.util

from torch import Tensor

from nsgf.errors import NsgfError
from nsgf.ot import geomloss_backend
from nsgf.ot.coupling import Coupling


def across(x: Tensor, y: Tensor, blur: float, scaling: float, **_) -> Coupling:
    """The plan between x (B, n, d) and y (B, m, d) from GeomLoss's potential on y.

    Raises:
        NsgfError: KeOps is not installed.
    """
    _require_keops()
    return geomloss_backend.across(x, y, blur, scaling, loop="online")


def within(x: Tensor, blur: float, scaling: float, **_) -> Coupling:
    """The plan of x (B, n, d) with itself."""
    return across(x, x, blur, scaling)


@functools.cache
def _require_keops() -> None:
    if importlib.util.find_spec("pykeops") is None:
        raise NsgfError(
            "backend 'geomloss-online' needs KeOps", "pip install pykeops, or choose 'geomloss'"
        )

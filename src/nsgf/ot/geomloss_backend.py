"""GeomLoss's Sinkhorn loop as a backend; the online one gives the same numbers through KeOps.

Its annealing takes one sweep a temperature and then stops, so the marginals are several per cent
off at the usual settings; `scaling` sets the number of sweeps and `tol` has no say. The online loop
keeps no cost matrix.
"""

import functools
import importlib.util

from torch import Tensor

from nsgf.errors import NsgfError
from nsgf.ot.coupling import Coupling, couple

LOOPS = {"geomloss": "tensorized", "geomloss-online": "online"}  # by backend


def across(x: Tensor, y: Tensor, blur: float, scaling: float, backend: str, **_) -> Coupling:
    """The plan between x (B, n, d) and y (B, m, d) from GeomLoss's potential on y.

    Raises:
        NsgfError: KeOps is not installed, and the online loop needs it.
    """
    _, g = _loss(blur, scaling, LOOPS[backend])(x.contiguous(), y.contiguous())
    return couple(x, y, g.detach().reshape(y.shape[:-1]), blur)


def within(x: Tensor, blur: float, scaling: float, backend: str, **_) -> Coupling:
    """The plan of x (B, n, d) with itself."""
    return across(x, x, blur, scaling, backend)


@functools.cache
def _loss(blur: float, scaling: float, loop: str):
    from geomloss import SamplesLoss

    if loop == "online" and importlib.util.find_spec("pykeops") is None:
        raise NsgfError(
            "backend 'geomloss-online' needs KeOps", "pip install pykeops, or choose 'geomloss'"
        )
    options = {"debias": False, "potentials": True, "backend": loop}
    return SamplesLoss("sinkhorn", p=2, blur=blur, scaling=scaling, **options)

"""GeomLoss's Sinkhorn loop as a backend.

Its annealing takes one sweep a temperature and then stops, so the marginals are several per cent
off at the usual settings; `scaling` sets the number of sweeps and `tol` has no say.
"""

import functools

from torch import Tensor

from nsgf.ot.coupling import Coupling, couple

LOOP = "tensorized"


def across(x: Tensor, y: Tensor, blur: float, scaling: float, loop: str = LOOP, **_) -> Coupling:
    """The plan between x (B, n, d) and y (B, m, d) from GeomLoss's potential on y."""
    _, g = _loss(blur, scaling, loop)(x.contiguous(), y.contiguous())
    return couple(x, y, g.detach().reshape(y.shape[:-1]), blur)


def within(x: Tensor, blur: float, scaling: float, loop: str = LOOP, **_) -> Coupling:
    """The plan of x (B, n, d) with itself."""
    return across(x, x, blur, scaling, loop)


@functools.cache
def _loss(blur: float, scaling: float, loop: str):
    from geomloss import SamplesLoss

    return SamplesLoss(
        "sinkhorn",
        p=2,
        blur=blur,
        scaling=scaling,
        debias=False,
        potentials=True,
        backend=loop,
    )

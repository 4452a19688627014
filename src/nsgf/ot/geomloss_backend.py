"""GeomLoss's tensorised Sinkhorn loop as a backend.

Its annealing takes one sweep a temperature and then stops, so the marginals are several per cent
off at the usual settings; `scaling` sets the number of sweeps and `tol` has no say.
"""

import functools

from torch import Tensor

from nsgf.ot.coupling import Coupling, couple


def solve(x: Tensor, y: Tensor, blur: float, scaling: float) -> Coupling:
    """The entropic plan between x (..., n, d) and y (..., m, d) from GeomLoss's potential on y."""
    _, g = _loss(blur, scaling)(x.contiguous(), y.contiguous())
    return couple(x, y, g.detach().reshape(y.shape[:-1]), blur)


@functools.cache
def _loss(blur: float, scaling: float):
    from geomloss import SamplesLoss

    return SamplesLoss(
        "sinkhorn",
        p=2,
        blur=blur,
        scaling=scaling,
        debias=False,
        potentials=True,
        backend="tensorized",
    )

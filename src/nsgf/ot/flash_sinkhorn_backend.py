"""FlashSinkhorn as a backend: Triton kernels on CUDA that keep no cost matrix.

GeomLoss's annealing, then sweeps at the last temperature until no potential moves by more than
fine eps / 2 in CHECK_EVERY of them, so the marginal error is within `fine` up to rounding; the
kernels work in float32. Written against flash-sinkhorn 0.4.1 and not run here, for want of a CUDA
device.
"""

from torch import Tensor

from nsgf.errors import NsgfError
from nsgf.ot.coupling import Coupling, couple

MAX_SWEEPS = 2000  # at the last temperature
CHECK_EVERY = 10


def across(x: Tensor, y: Tensor, blur: float, fine: Tensor, scaling: float, **_) -> Coupling:
    """The plan between x (B, n, d) and y (B, m, d) from FlashSinkhorn's potential on y.

    Raises:
        NsgfError: FlashSinkhorn is not installed, or the points are not on a CUDA device.
    """
    samples_loss = _samples_loss()
    _require_cuda(x)
    eps = blur**2
    loss = samples_loss(
        "sinkhorn",
        p=2,
        blur=blur,
        half_cost=True,  # |x - y|^2 / 2
        debias=False,
        potentials=True,
        backend="symmetric",
        eps_list=_annealing(_diameter(x, y), blur, scaling) + [eps] * MAX_SWEEPS,
        threshold=float(fine.min()) * eps / 2,
        inner_iterations=CHECK_EVERY,
        allow_tf32=False,  # it would round the points to three digits
    )
    _, g = loss(x.contiguous(), y.contiguous())
    return couple(x, y, g.detach().reshape(y.shape[:-1]).to(y.dtype), blur)


def within(x: Tensor, blur: float, fine: Tensor, scaling: float, **_) -> Coupling:
    """The plan of x (B, n, d) with itself."""
    return across(x, x, blur, fine, scaling)


def _annealing(diameter: float, blur: float, scaling: float) -> list[float]:
    """Temperatures from the clouds' diameter down to eps, which is left out."""
    found = []
    while diameter > blur:
        found.append(diameter**2)
        diameter *= scaling
    return found


def _diameter(x: Tensor, y: Tensor) -> float:
    """Diagonal of the box that holds both clouds, the largest of the batch."""
    high = x.amax(-2).maximum(y.amax(-2))
    low = x.amin(-2).minimum(y.amin(-2))
    return float((high - low).norm(dim=-1).max())


def _samples_loss():
    try:
        from flash_sinkhorn import SamplesLoss
    except ImportError as error:
        raise NsgfError(
            f"backend 'flash-sinkhorn' needs FlashSinkhorn: {error}",
            "pip install flash-sinkhorn, or choose 'newton'",
        ) from error
    return SamplesLoss


def _require_cuda(x: Tensor) -> None:
    if not x.is_cuda:
        raise NsgfError(
            f"backend 'flash-sinkhorn' needs points on a CUDA device, got {x.device}",
            "run on CUDA, or choose 'newton'",
        )

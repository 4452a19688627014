"""Products, square roots and SELU of torch's CPU tensors, in portable mode.

torch has products and roots from MKL. The one branch of MKL that computes alike on all vendors'
processors takes two to three times as long over a product, and even there roots differ in their
last bits. numpy's OpenBLAS is as fast as MKL's AVX2 code and computes alike wherever it is told for
which processor; its roots are IEEE's. SELU is a loop of our own, three times as fast as torch's. As
torch's own kernels all of them serve networks, gradients and other libraries too.
"""

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from nsgf import activation_loops, compiled

DTYPES = (torch.float32, torch.float64)  # torch keeps the others


def _product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b, for matrices or batches of them."""
    a, b = (t.contiguous() if 0 in t.stride() else t for t in (a, b))  # which BLAS cannot take
    out = torch.empty((*a.shape[:-1], b.shape[-1]), dtype=a.dtype)
    with np.errstate(all="ignore"):  # torch does not warn either
        np.matmul(a.detach().numpy(), b.detach().numpy(), out=out.numpy())
    return out


def _sum(first: Tensor, a: Tensor, b: Tensor, *, beta=1, alpha=1) -> Tensor:
    """beta first + alpha a @ b; without beta, what is in `first` is not looked at."""
    product = _product(a, b)
    if alpha != 1:
        product *= alpha
    return product.add_(first, alpha=beta) if beta else product


def _root(x: Tensor) -> Tensor:
    out = torch.empty_like(x)
    with np.errstate(invalid="ignore"):
        np.sqrt(x.detach().numpy(), out=out.numpy())
    return out


def _elu(x: Tensor, alpha=1, scale=1, input_scale=1) -> Tensor:
    out = torch.empty_like(x)
    # The order of entries in memory is the same for both, whatever their axes.
    flat = (t.detach().as_strided((t.numel(),), (1,)).numpy() for t in (x, out))
    activation_loops.elu(*flat, *map(np.float32, (scale, alpha * scale, input_scale)))
    return out


def _of_matrices(*tensors: Tensor, **_) -> bool:
    """Whether numpy multiplies them: one type, and shapes that neither broadcasts."""
    (dtype, *others), (a, b) = {tensor.dtype for tensor in tensors}, (None, *tensors)[-2:]
    fits = a is None or (a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2])
    return dtype in DTYPES and not others and fits


def _of_entries(x: Tensor, *_, **__) -> bool:
    """Whether our loop takes it: float32 without gaps in memory."""
    return x.dtype == torch.float32 and torch.ops.aten.is_non_overlapping_and_dense(x)


KERNELS: dict[str, tuple[Callable, Callable]] = {  # ours, and what it takes
    "mm": (_product, _of_matrices),
    "bmm": (_product, _of_matrices),
    "addmm": (_sum, _of_matrices),
    "baddbmm": (_sum, _of_matrices),
    "sqrt": (_root, _of_matrices),
    "elu": (_elu, _of_entries),
}


@functools.cache
def install() -> torch.library.Library:
    """Put them in the place of torch's; they stay until the process ends."""
    compiled.ensure()
    library = torch.library.Library("aten", "IMPL")
    for name, (ours, fits) in KERNELS.items():
        theirs = torch.library.get_kernel(f"aten::{name}", "CPU")
        either = functools.partial(_either, ours, fits, theirs)
        library.impl(name, either, "CPU", with_keyset=True)
    return library


def _either(ours, fits, theirs, keys, *given, **factors) -> Tensor:
    """Ours where it is defined; torch's own for what it takes besides, or refuses."""
    if fits(*given, **factors):
        return ours(*given, **factors)
    return theirs.call_boxed(keys, *given, **factors)

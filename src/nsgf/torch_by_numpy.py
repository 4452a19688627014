"""Products and square roots of torch's CPU tensors, by numpy, in portable mode.

torch has both from MKL. The one branch of MKL that computes alike on all vendors' processors takes
two to three times as long over a product, and even there roots differ in their last bits. numpy's
OpenBLAS is as fast as MKL's AVX2 code and computes alike wherever it is told for which processor;
its roots are IEEE's. As torch's own kernels they serve networks, gradients and other libraries too.
"""

import functools

import numpy as np
import torch
from torch import Tensor

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


KERNELS = {"mm": _product, "bmm": _product, "addmm": _sum, "baddbmm": _sum, "sqrt": _root}


@functools.cache
def install() -> torch.library.Library:
    """Put them in the place of torch's; they stay until the process ends."""
    library = torch.library.Library("aten", "IMPL")
    for name, ours in KERNELS.items():
        theirs = torch.library.get_kernel(f"aten::{name}", "CPU")
        library.impl(name, functools.partial(_either, ours, theirs), "CPU", with_keyset=True)
    return library


def _either(ours, theirs, keys, *tensors: Tensor, **factors) -> Tensor:
    """Ours where it is defined; torch's own for what it takes besides, or refuses."""
    (dtype, *others), (a, b) = {tensor.dtype for tensor in tensors}, (None, *tensors)[-2:]
    fits = a is None or (a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2])
    if dtype in DTYPES and not others and fits:
        return ours(*tensors, **factors)
    return theirs.call_boxed(keys, *tensors, **factors)

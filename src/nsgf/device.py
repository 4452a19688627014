"""Choice of device, of thread count and of numerics."""

import contextlib
import shutil
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from nsgf import numerics
from nsgf.config.compute import Compute
from nsgf.errors import NsgfError


def pick(name: str) -> torch.device:
    """The torch device that `auto`, `cpu` or `cuda` means here.

    Raises:
        NsgfError: cuda is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise NsgfError(
            "compute.device is 'cuda', but torch finds no CUDA device",
            "set compute.device to 'auto' or 'cpu', or run where there is a GPU",
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def set_up(compute: Compute) -> torch.device:
    """Fix numerics and thread count, ask for deterministic kernels and return the device.

    Products are float32's own, never TF32's, but where `as_computed` and `products` allow them.

    Raises:
        NsgfError: this process computes in another way than `compute` says, or has no such device.
    """
    numerics.apply(compute.numerics)
    if compute.numerics == "portable":
        from nsgf import torch_kernels

        torch_kernels.install()
    torch.set_num_threads(compute.threads)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    return pick(compute.device)


@contextlib.contextmanager
def products(precision: str) -> Iterator[None]:
    """Products and convolutions in TF32 where `precision` says so; backward passes go in here."""
    if precision == "tf32":
        torch.backends.cudnn.allow_tf32 = True
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")


def as_computed(net: nn.Module, compute: Compute) -> Callable[..., Tensor]:
    """How a network on its device is called: compiled and in the precision that is asked for.

    Raises:
        NsgfError: that has no portable numerics here, or there is no compiler.
    """
    device, plain = next(net.parameters()).device, compute.precision == "float32"
    if device.type == "cpu" and compute.numerics == "portable" and (compute.compile or not plain):
        raise NsgfError(
            "on a CPU only float32 that is not compiled has the same bits everywhere",
            "set compute.numerics to native, or precision to float32 and compile to false",
        )
    if compute.compile and not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise NsgfError("there is no C++ compiler", "install one, or set compute.compile to false")
    if device.type == "cuda":
        net.to(memory_format=torch.channels_last)  # the layout of its fastest convolutions
    call = torch.compile(net) if compute.compile else net
    if plain:
        return call

    def cast(*inputs: Tensor) -> Tensor:
        half = compute.precision == "bfloat16"
        autocast = torch.autocast(device.type, torch.bfloat16, enabled=half)
        with products(compute.precision), autocast:
            return call(*inputs).float()

    return cast

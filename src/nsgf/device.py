"""Choice of device, of thread count and of numerics."""

from collections.abc import Callable

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

    Raises:
        NsgfError: this process computes in another way than `compute` says, or has no such device,
            or what is asked for has no portable numerics.
    """
    numerics.apply(compute.numerics)
    device = pick(compute.device)
    if compute.numerics == "portable":
        from nsgf import torch_by_numpy

        if device.type == "cpu" and (compute.compile or compute.precision == "bfloat16"):
            raise NsgfError(
                "on a CPU only float32 that is not compiled has the same bits everywhere",
                "set compute.numerics to native, or precision to float32 and compile to false",
            )
        torch_by_numpy.install()
    torch.set_num_threads(compute.threads)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = compute.precision == "tf32"
    torch.set_float32_matmul_precision("high" if compute.precision == "tf32" else "highest")
    return device


def as_computed(net: nn.Module, compute: Compute) -> Callable[..., Tensor]:
    """How a network on its device is called: compiled and in the precision that is asked for."""
    device = next(net.parameters()).device
    if device.type == "cuda":
        net.to(memory_format=torch.channels_last)  # the layout of its fastest convolutions
    call = torch.compile(net) if compute.compile else net
    if compute.precision != "bfloat16":
        return call

    def cast(*inputs: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return call(*inputs).float()

    return cast

"""Choice of device, of thread count and of numerics."""

import torch

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
        NsgfError: this process computes in another way than `compute` says, or has no such device.
    """
    numerics.apply(compute.numerics)
    if compute.numerics == "portable":
        from nsgf import torch_by_numpy

        torch_by_numpy.install()
    torch.set_num_threads(compute.threads)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    return pick(compute.device)

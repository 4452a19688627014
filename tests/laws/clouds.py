"""Point clouds to try laws on, and how exactly a law is asked to hold in each precision."""

import pytest
import torch
from torch import Tensor

from nsgf.rng import stream

both = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
TOL = {torch.float32: 1e-4, torch.float64: 1e-9}  # asked of the solver
CLOSE = {  # what that leaves in velocities and divergences, where the data have size one
    torch.float32: {"rtol": 0, "atol": 2e-5},
    torch.float64: {"rtol": 0, "atol": 5e-8},
}
EXACT = {  # where the solver takes the same steps on both sides of a law
    torch.float32: {"rtol": 0, "atol": 5e-6},
    torch.float64: {"rtol": 0, "atol": 1e-14},
}


def cloud(n: int, seed: int, d: int = 2, *, batch: int = 0, dtype=torch.float64) -> Tensor:
    """Standard normal points, (n, d), or (batch, n, d); the same values in either precision."""
    shape = (batch, n, d) if batch else (n, d)
    return stream(seed, "cloud").normal(*shape).to(dtype)


def rotation(d: int, dtype: torch.dtype) -> Tensor:
    """An orthogonal matrix."""
    return torch.linalg.qr(cloud(d, 99, d)).Q.to(dtype)

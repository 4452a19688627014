"""Solvers of others as functions: v = T_xy - T_xx from row-normalised plans, x's shape and dtype.

Both take x and y float32, (n, d) or (B, n, d), and their own dial last.
"""

import functools
import importlib.util
import warnings

import ot
import torch
from torch import Tensor

from nsgf.ot.coupling import half_squared_distance


def pot(x: Tensor, y: Tensor, blur: float, iterations: float) -> Tensor:
    """POT's Sinkhorn in the log domain, with its own stopping rule (a threshold of 1e-9).

    It works in float64, its habit: in float32 that threshold lies below rounding, and every problem
    takes all its iterations.
    """
    if x.dim() == 3:
        return torch.stack([pot(*pair, blur, iterations) for pair in zip(x, y, strict=True)])

    def project(x: Tensor, y: Tensor) -> Tensor:
        cost = half_squared_distance(x, y)
        a, b = (cost.new_full((size,), 1 / size) for size in cost.shape)
        options = {"method": "sinkhorn_log", "numItermax": int(iterations)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that it did not converge: its error shows it
            plan = ot.sinkhorn(a, b, cost, blur**2, **options)
        return plan / plan.sum(1, keepdim=True) @ y

    wide = x.double()
    return (project(wide, y.double()) - project(wide, wide)).to(x.dtype)


def ott(x: Tensor, y: Tensor, blur: float, threshold: float) -> Tensor:
    """OTT-JAX's Sinkhorn in the log domain, compiled; else at its defaults (2000 iterations)."""
    from jax.dlpack import from_dlpack

    found = _compiled_ott(blur, threshold, x.dim() == 3)(from_dlpack(x), from_dlpack(y))
    return torch.from_dlpack(found.block_until_ready())


def ott_missing(device: torch.device) -> str | None:
    """Why OTT-JAX cannot run here, or None."""
    if importlib.util.find_spec("ott") is None:
        return "OTT-JAX is not installed"
    import jax

    blind = device.type == "cuda" and jax.default_backend() != "gpu"
    return "JAX sees no GPU" if blind else None


@functools.cache
def _compiled_ott(blur: float, threshold: float, batched: bool):
    import jax
    from ott.geometry.pointcloud import PointCloud
    from ott.problems.linear.linear_problem import LinearProblem
    from ott.solvers.linear.sinkhorn import Sinkhorn

    solver = Sinkhorn(threshold=threshold)

    def project(x, y):
        # Its cost is |x - y|^2; scale_cost divides.
        cloud = PointCloud(x, y, epsilon=blur**2, scale_cost=2.0)
        g = solver(LinearProblem(cloud)).g
        return jax.nn.softmax((g[None, :] - cloud.cost_matrix) / blur**2, axis=1) @ y

    def single(x, y):
        return project(x, y) - project(x, x)

    return jax.jit(jax.vmap(single) if batched else single)

"""OTT-JAX's Sinkhorn in the log domain, compiled; all else at its defaults (2000 iterations)."""

import functools
import importlib.util

import torch
from torch import Tensor


def missing(device: torch.device) -> str | None:
    """Why it cannot run here, or None."""
    if importlib.util.find_spec("ott") is None:
        return "OTT-JAX is not installed"
    import jax

    if device.type == "cuda" and jax.default_backend() != "gpu":
        return "JAX sees no GPU"
    return None


def velocity(x: Tensor, y: Tensor, blur: float, threshold: float) -> Tensor:
    """T_xy - T_xx from row-normalised plans, x's shape; x and y float32, (n, d) or (B, n, d)."""
    from jax.dlpack import from_dlpack

    found = _compiled(blur, threshold, x.dim() == 3)(from_dlpack(x), from_dlpack(y))
    return torch.from_dlpack(found.block_until_ready())


@functools.cache
def _compiled(blur: float, threshold: float, batched: bool):
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

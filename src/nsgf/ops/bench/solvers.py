"""The solvers under comparison, and each of them at an effort of its own dial.

Ours is timed as users call it: `sinkhorn_flow`, which starts each step from the last potential and
also computes the divergence. The others pay for the velocities of the same Euler loop alone.
"""

import functools
import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import ot
import torch
from torch import Tensor

from nsgf.flows.sinkhorn import sinkhorn_flow
from nsgf.ops.bench.cases import Case
from nsgf.ot.coupling import half_squared_distance
from nsgf.ot.sinkhorn import DEFAULT_BACKEND, velocity

BASE = "geomloss-paper"  # what speeds are compared with


@dataclass(frozen=True)
class Solver:
    """A library and its dial.

    Attributes:
        label: for people. dial: what its effort is called.
        solve: a backend of `nsgf.ot.velocity`, or a function (x, y, blur, effort) to v.
        efforts: of the sweep. default: of the table; None for the paper's own scaling.
        missing: why it cannot run on a device, or None.
    """

    label: str
    dial: str
    solve: str | Callable[[Tensor, Tensor, float, float], Tensor]
    efforts: tuple[float, ...]
    default: float | None
    missing: Callable[[torch.device], str | None] = lambda device: None

    def effort(self, case: Case) -> float:
        """The effort at which the table shows it."""
        return case.paper_scaling if self.default is None else self.default


@dataclass(frozen=True)
class Method:
    """A solver, by its key in SOLVERS, at one effort; `name` is as in tables."""

    name: str
    solver: str
    effort: float

    def velocity(
        self, case: Case, x: Tensor, y: Tensor, start: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """v at x, x's shape, and the next state's start where the solver takes one."""
        solver = SOLVERS[self.solver]
        if callable(solver.solve):
            return solver.solve(x, y, case.blur, self.effort), None
        options = {solver.dial: self.effort, "flag": solver.solve != DEFAULT_BACKEND}
        step = velocity(x, y, case.blur, backend=solver.solve, start=start, **options)
        again = None if step.potential is None else (1 - case.step_size) * step.potential
        return step.v, again

    def flow(self, case: Case, x: Tensor, y: Tensor, n_steps: int) -> None:
        """The whole loop, as it is timed."""
        if SOLVERS[self.solver].solve == DEFAULT_BACKEND:
            sinkhorn_flow(x, y, case.blur, case.step_size, n_steps, self.effort)
            return
        for _ in range(n_steps):
            x = x + case.step_size * self.velocity(case, x, y)[0]


# Peers that are no backend of ours: v = T_xy - T_xx from row-normalised plans, x's shape and dtype.


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


def _on_cuda(module: str) -> Callable[[torch.device], str | None]:
    def missing(device: torch.device) -> str | None:
        if device.type != "cuda":
            return "measured on CUDA only"
        return None if importlib.util.find_spec(module) else f"{module} is not installed"

    return missing


TOLS = (1.0, 1e-1, 1e-2, 1e-3)  # below, float32 is the limit
SCALINGS = (0.5, 0.8, 0.9, 0.95, 0.99)
ITERATIONS, THRESHOLDS = (10, 30, 100, 300, 1000), (1e-1, 1e-2, 1e-3, 1e-4)
KEOPS, FLASH = _on_cuda("pykeops"), _on_cuda("flash_sinkhorn")
SOLVERS = {
    "ours": Solver("ours", "tol", DEFAULT_BACKEND, TOLS, 1e-3),
    "geomloss": Solver("GeomLoss", "scaling", "geomloss", SCALINGS, None),
    "pot": Solver("POT", "iterations", pot, ITERATIONS, 1000),
    "ott": Solver("OTT-JAX", "threshold", ott, THRESHOLDS, 1e-3, ott_missing),
    "geomloss-online": Solver(
        "GeomLoss, KeOps", "scaling", "geomloss-online", SCALINGS, None, KEOPS
    ),
    "flash-sinkhorn": Solver("FlashSinkhorn", "tol", "flash-sinkhorn", TOLS, 1e-3, FLASH),
}


def table_methods(case: Case, solvers: list[str]) -> list[Method]:
    """What the table compares; GeomLoss stands twice."""
    names = [BASE if name == "geomloss" else name for name in solvers]
    efforts = [SOLVERS[name].effort(case) for name in solvers]
    found = list(map(Method, names, solvers, efforts))
    at = names.index(BASE) + 1
    return [*found[:at], Method("geomloss-0.95", "geomloss", 0.95), *found[at:]]


def sweep(case: Case, name: str) -> list[Method]:
    """One solver at several efforts, its default among them."""
    solver = SOLVERS[name]
    efforts = sorted({*solver.efforts, solver.effort(case)})
    return [Method(name, name, effort) for effort in efforts]

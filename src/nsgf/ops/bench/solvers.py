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
GOAL = 1e-3  # largest relative error of a velocity at which solvers are compared


@dataclass(frozen=True)
class Solver:
    """A library and its dial.

    Attributes:
        label: for people. dial: what its effort is called.
        solve: a backend of `nsgf.ot.velocity`, or a function (x, y, blur, effort) to v.
        efforts: from the cheapest to the dearest.
        missing: why it cannot run on a device, or None.
    """

    label: str
    dial: str
    solve: str | Callable[[Tensor, Tensor, float, float], Tensor]
    efforts: tuple[float, ...]
    missing: Callable[[torch.device], str | None] = lambda device: None


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


Project = Callable[[Tensor, Tensor], Tensor]  # x, y float64 to the projection T_xy(x), x's shape


def _from(project: Project, x: Tensor, y: Tensor) -> Tensor:
    """v by a solver of single problems, which works in float64, the habit of all these."""
    if x.dim() == 3:
        return torch.stack([_from(project, *pair) for pair in zip(x, y, strict=True)])
    wide = x.double()
    return (project(wide, y.double()) - project(wide, wide)).to(x.dtype)


def _uniform(cost: Tensor) -> tuple[Tensor, Tensor]:
    return tuple(cost.new_full((size,), 1 / size) for size in cost.shape)


def pot(x: Tensor, y: Tensor, blur: float, iterations: float) -> Tensor:
    """POT's Sinkhorn in the log domain, with its own stopping rule (a threshold of 1e-9).

    In float32 that threshold lies below rounding, and every problem takes all its iterations.
    """

    def project(x: Tensor, y: Tensor) -> Tensor:
        cost = half_squared_distance(x, y)
        options = {"method": "sinkhorn_log", "numItermax": int(iterations)}
        plan = ot.sinkhorn(*_uniform(cost), cost, blur**2, **options)
        return plan / plan.sum(1, keepdim=True) @ y

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it did not converge: its error shows it
        return _from(project, x, y)


def pot_batch(x: Tensor, y: Tensor, blur: float, iterations: float) -> Tensor:
    """POT's `ot.batch`: Sinkhorn in the log domain for several problems at once, float64."""
    from ot.batch import solve_batch

    def project(x: Tensor, y: Tensor) -> Tensor:
        options = {"method": "log_sinkhorn", "max_iter": int(iterations), "tol": 1e-12}
        plan = solve_batch(half_squared_distance(x, y), reg=blur**2, **options).plan
        return plan / plan.sum(-1, keepdim=True) @ y

    several = [points.double().reshape(-1, *points.shape[-2:]) for points in (x, y)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above
        v = project(*several) - project(several[0], several[0])
    return v.view(x.shape).to(x.dtype)


def mdot(x: Tensor, y: Tensor, blur: float, power: float) -> Tensor:
    """MDOT-TNT's truncated Newton steps; its dial is the power p of its stopping rule."""
    from mdot_tnt.mdot import mdot as solve

    def project(x: Tensor, y: Tensor) -> Tensor:
        cost = half_squared_distance(x, y)
        largest = float(cost.max())
        gamma = largest / blur**2  # it wants costs up to 1
        v = solve(*_uniform(cost), cost / largest, gamma, p=power)[1]
        return torch.softmax(v - cost * (gamma / largest), 1) @ y

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _from(project, x, y)


def regot(name: str, x: Tensor, y: Tensor, blur: float, tol: float) -> Tensor:
    """A solver of RegOT by its name, in C++; its dial is the norm of the gradient."""
    import regot as library

    solve = getattr(library, f"sinkhorn_{name}")

    def project(x: Tensor, y: Tensor) -> Tensor:
        cost = half_squared_distance(x, y)
        a, b = (mass.numpy() for mass in _uniform(cost))
        plan = torch.tensor(solve(cost.numpy(), a, b, blur**2, tol, MOST).plan)
        return plan / plan.sum(1, keepdim=True) @ y

    return _from(project, x, y)


def _installed(module: str) -> Callable[[torch.device], str | None]:
    """For what runs on a CPU where `module` is installed."""

    def missing(device: torch.device) -> str | None:
        if device.type != "cpu":
            return "measured on a CPU only"
        return None if importlib.util.find_spec(module) else f"{module} is not installed"

    return missing


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
SCALINGS = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999)
ITERATIONS, THRESHOLDS = (10, 30, 100, 300, 1000, 3000), (1e-1, 1e-2, 1e-3, 1e-4)
GRADIENTS, POWERS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6), (1.0, 1.5, 2.0, 2.5, 3.0)
MOST = 1000  # iterations of RegOT
KEOPS, FLASH, REGOT = _on_cuda("pykeops"), _on_cuda("flash_sinkhorn"), _installed("regot")
SOLVERS = {
    "ours": Solver("ours", "tol", DEFAULT_BACKEND, TOLS),
    "geomloss": Solver("GeomLoss", "scaling", "geomloss", SCALINGS),
    "mdot-tnt": Solver("MDOT-TNT", "power", mdot, POWERS, _installed("mdot_tnt")),
    **{
        f"regot-{name}": Solver(
            f"RegOT {name}", "gradient", functools.partial(regot, name), GRADIENTS, REGOT
        )
        for name in ("ssns", "lbfgs_dual", "splr")
    },
    "pot": Solver("POT", "iterations", pot, ITERATIONS),
    "pot-batch": Solver("POT, ot.batch", "iterations", pot_batch, ITERATIONS),
    "ott": Solver("OTT-JAX", "threshold", ott, THRESHOLDS, ott_missing),
    "geomloss-online": Solver("GeomLoss, KeOps", "scaling", "geomloss-online", SCALINGS, KEOPS),
    "flash-sinkhorn": Solver("FlashSinkhorn", "tol", "flash-sinkhorn", TOLS, FLASH),
}


def paper(case: Case) -> Method:
    """GeomLoss at the paper's scaling, what speeds are compared with."""
    return Method(BASE, "geomloss", case.paper_scaling)


def sweep(name: str) -> list[Method]:
    """One solver at all its efforts, from the cheapest on."""
    return [Method(name, name, effort) for effort in SOLVERS[name].efforts]

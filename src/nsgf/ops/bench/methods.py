"""The solvers under comparison, each at an effort of its own dial.

Ours is timed as users call it: `sinkhorn_flow`, which starts each step from the last potential and
also computes the divergence. The others pay for the velocities of the same Euler loop alone.
"""

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nsgf.flows.sinkhorn import sinkhorn_flow
from nsgf.ops.bench import ott, pot
from nsgf.ops.bench.cases import Case
from nsgf.ot.sinkhorn import velocity

BASE = "geomloss-paper"  # what speeds are compared with


@dataclass(frozen=True)
class Method:
    """A solver at one effort, for one case.

    Attributes:
        name: as in tables. effort: of the solver's dial.
        velocity: (x, y, start) to (v, the next state's start); the start is None at first.
        flow: (x0, y, steps), the whole loop as it is timed.
    """

    name: str
    effort: float
    velocity: Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor | None]]
    flow: Callable[[Tensor, Tensor, int], None]


@dataclass(frozen=True)
class Solver:
    """A library and its dial.

    Attributes:
        label: for people. dial: what its effort is called.
        build: (name, effort, case) to a Method.
        efforts: of the sweep. default: of the table; None for the paper's own scaling.
        missing: why it cannot run on a device, or None.
    """

    label: str
    dial: str
    build: Callable[[str, float, Case], Method]
    efforts: tuple[float, ...]
    default: float | None
    missing: Callable[[torch.device], str | None] = lambda device: None

    def effort(self, case: Case) -> float:
        """The effort at which the table shows it."""
        return case.paper_scaling if self.default is None else self.default


def _ours(name: str, tol: float, case: Case) -> Method:
    def at(x, y, start):
        step = velocity(x, y, case.blur, tol, start=start)
        return step.v, (1 - case.step_size) * step.potential

    def flow(x0, y, n_steps):
        sinkhorn_flow(x0, y, case.blur, case.step_size, n_steps, tol)

    return Method(name, tol, at, flow)


def _peer(field: Callable[[Tensor, Tensor, float, float], Tensor]) -> Callable[..., Method]:
    """Methods from a function (x, y, blur, effort) to v."""

    def build(name: str, effort: float, case: Case) -> Method:
        def flow(x, y, n_steps):
            for _ in range(n_steps):
                x = x + case.step_size * field(x, y, case.blur, effort)

        return Method(name, effort, lambda x, y, _: (field(x, y, case.blur, effort), None), flow)

    return build


def _geomloss(x: Tensor, y: Tensor, blur: float, scaling: float, backend: str) -> Tensor:
    return velocity(x, y, blur, backend=backend, scaling=scaling).v


def _flash(x: Tensor, y: Tensor, blur: float, tol: float) -> Tensor:
    return velocity(x, y, blur, tol, backend="flash-sinkhorn", flag=True).v


def _on_cuda(module: str) -> Callable[[torch.device], str | None]:
    def missing(device: torch.device) -> str | None:
        if device.type != "cuda":
            return "measured on CUDA only"
        return None if importlib.util.find_spec(module) else f"{module} is not installed"

    return missing


TOLS = (1.0, 1e-1, 1e-2, 1e-3)  # below, float32 is the limit
SCALINGS = (0.5, 0.8, 0.9, 0.95, 0.99)
_dense = functools.partial(_geomloss, backend="geomloss")
_online = functools.partial(_geomloss, backend="geomloss-online")
SOLVERS = {
    "ours": Solver("ours", "tol", _ours, TOLS, 1e-3),
    "geomloss": Solver("GeomLoss", "scaling", _peer(_dense), SCALINGS, None),
    "pot": Solver("POT", "iterations", _peer(pot.velocity), (10, 30, 100, 300, 1000), 1000),
    "ott": Solver(
        "OTT-JAX", "threshold", _peer(ott.velocity), (1e-1, 1e-2, 1e-3, 1e-4), 1e-3, ott.missing
    ),
    "geomloss-online": Solver(
        "GeomLoss, KeOps", "scaling", _peer(_online), SCALINGS, None, _on_cuda("pykeops")
    ),
    "flash-sinkhorn": Solver(
        "FlashSinkhorn", "tol", _peer(_flash), TOLS, 1e-3, _on_cuda("flash_sinkhorn")
    ),
}


def absent(device: torch.device) -> dict[str, str]:
    """Why, by solver, for those that cannot run on this device."""
    reasons = {name: solver.missing(device) for name, solver in SOLVERS.items()}
    return {name: reason for name, reason in reasons.items() if reason}


def table_methods(case: Case, solvers: list[str]) -> list[tuple[str, Method]]:
    """What the table compares, each beside its solver's name; GeomLoss stands twice."""
    found = []
    for name in solvers:
        solver = SOLVERS[name]
        shown = BASE if name == "geomloss" else name
        found.append((name, solver.build(shown, solver.effort(case), case)))
        if name == "geomloss":
            found.append((name, solver.build("geomloss-0.95", 0.95, case)))
    return found


def sweep(case: Case, name: str) -> list[Method]:
    """One solver at several efforts, its default among them."""
    solver = SOLVERS[name]
    efforts = sorted({*solver.efforts, solver.effort(case)})
    return [solver.build(name, effort, case) for effort in efforts]

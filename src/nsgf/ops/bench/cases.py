"""The problems that solvers are compared on, and the trajectory that errors are measured along.

Of that trajectory, float64, our solver's potentials are what is checked; plans, velocities and the
check come from the dual's definition in torch (`nsgf.ot.coupling.couple`), which shares no
iteration with it.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nsgf.data.problem import open_problem
from nsgf.errors import NotConverged, NsgfError
from nsgf.layout import DATA
from nsgf.ops.bench.clouds import KINDS
from nsgf.ot.coupling import couple, half_squared_distance
from nsgf.ot.newton import solve, solve_symmetric
from nsgf.registry import DATASETS
from nsgf.rng import stream

SEED = 0
RESIDUAL = 1e-8  # of the fixed point, largest entry, units of the cost
MARGINAL = 1e-12


@dataclass(frozen=True)
class Case:
    """A Sinkhorn flow from the data set's source to its target.

    Attributes:
        dataset: name of the data set, or of a kind of clouds. n: particles, and as many targets.
        blur: square root of eps, data units. step_size: eta, units of flow time. n_steps: T.
        paper_scaling: GeomLoss's scaling for comparison: of the three that the paper names, the
            earlier code's for images; in 2-D, where no value is named, the same.
        batch: independent problems solved together, or None for a single one without the axis.
    """

    dataset: str
    n: int
    blur: float
    step_size: float
    n_steps: int
    paper_scaling: float
    batch: int | None = None

    @property
    def text(self) -> str:
        """What the case is, in a line."""
        label = f"{self.batch} problems of {self.dataset}" if self.batch else self.dataset
        return (
            f"{label}, n = {self.n}, blur {self.blur:g}, "
            f"{self.n_steps} steps of eta = {self.step_size:g}"
        )


CASES = {
    "2d-blur0.5": Case("8gaussians", 256, 0.5, 0.3, 10, 0.80),
    "2d-blur0.05": Case("8gaussians", 256, 0.05, 0.3, 10, 0.80),
    "mnist": Case("mnist", 256, 1.0, 0.2, 5, 0.85),
    "cifar10": Case("cifar10", 128, 2.0, 0.2, 5, 0.80),
    "2d-1024": Case("8gaussians", 1024, 0.5, 0.3, 10, 0.80),
    "2d-large": Case("8gaussians", 4096, 0.5, 0.3, 10, 0.80),
    "2d-16384": Case("8gaussians", 16384, 0.1, 0.3, 1, 0.80),
    "cauchy": Case("Cauchy, d = 5", 120, 1.0, 0.3, 5, 0.80),
    "2d-batch": Case("8gaussians", 256, 0.5, 0.3, 10, 0.80, batch=64),
}


def inputs(case: Case, data: Path) -> tuple[Tensor, Tensor]:
    """Starting points and targets, float32, (n, d) or (batch, n, d).

    Raises:
        NsgfError: the image set's files are not in the folder `data`.
    """
    if case.dataset in KINDS:
        x0, y = KINDS[case.dataset](stream(SEED, "bench", case.dataset))
        return x0.float(), y.float()
    try:
        problem, pairs = open_problem(case.dataset, data), []
    except NsgfError as error:
        images = f"{DATA}/{DATASETS[case.dataset].target}/train_images.npy"
        raise NsgfError(error.what, f"get it by: nsgf make {images}") from error
    for k in range(case.batch or 1):
        numbers = stream(SEED, "bench", case.dataset, k)
        y = problem.target(case.n, numbers)
        pairs.append((problem.source(case.n, numbers), y))
    x0, y = (torch.stack(side) for side in zip(*pairs, strict=True))
    return (x0, y) if case.batch else (x0[0], y[0])


@dataclass(frozen=True)
class Reference:
    """The flow in float64, the batch axis absent for a single problem.

    Attributes:
        x: states before each step, (T, ..., n, d), data units. v: velocities there, same shape.
        y: targets, (..., n, d).
        residual: bound on |g - softmin softmin g| of any potential of any step, units of the cost.
    """

    x: Tensor
    v: Tensor
    y: Tensor
    residual: float


def reference(case: Case, x0: Tensor, y: Tensor) -> Reference:
    """Follow the flow from x0 (..., n, d) to y with potentials at their fixed points.

    Raises:
        NotConverged: a potential misses its fixed point by more than RESIDUAL.
    """
    eps, n = case.blur**2, y.shape[-2]
    x, targets = (points.double().reshape(-1, *points.shape[-2:]) for points in (x0, y))
    xs, vs, start, worst = [], [], None, 0.0
    fine = torch.full((len(x),), MARGINAL, dtype=x.dtype, device=x.device)
    for _ in range(case.n_steps):
        itself = half_squared_distance(x, x)
        itself.diagonal(dim1=-2, dim2=-1).zero_()
        start = solve(half_squared_distance(x, targets), eps, fine, start).g
        across = couple(x, targets, start, case.blur)
        within = couple(x, x, solve_symmetric(itself, eps, fine).f, case.blur)
        # softmin softmin g is g - eps log(n columns), and no column is off by more than all are.
        error = torch.maximum(across.marginal_error, within.marginal_error)
        residual = float(eps * n * error.max())
        if not residual <= RESIDUAL:
            what = f"a reference potential misses its fixed point by {residual:.1e}"
            raise NotConverged(f"{what}, over {RESIDUAL:.0e}", "take a larger blur")
        worst = max(worst, residual)
        xs.append(x)
        vs.append(across.displacement - within.displacement)
        start, x = (1 - case.step_size) * start, x + case.step_size * vs[-1]
    along = (len(xs), *x0.shape)
    return Reference(torch.stack(xs).view(along), torch.stack(vs).view(along), y.double(), worst)

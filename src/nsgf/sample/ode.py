"""Integrate dx/dt = v(x, t) from t0 to 1: Euler, RK4 and adaptive Dormand-Prince.

Every sample has its own start time and its own number of equal steps; a sample that has arrived is
no longer evaluated. The grid of plain flow matching is the case t0 = 0 with one number of steps.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from nsgf.config.sample import Sampling
from nsgf.errors import NsgfError
from nsgf.sample.run import StatePath

Field = Callable[[Tensor, Tensor], Tensor]
STAGES = {"euler": 1, "rk4": 4}  # evaluations a step


def euler_step(field: Field, x: Tensor, t: Tensor, h: Tensor) -> Tensor:
    """x + h v(x, t); t and h are (n,)."""
    return x + h.unsqueeze(1) * field(x, t)


def rk4_step(field: Field, x: Tensor, t: Tensor, h: Tensor) -> Tensor:
    """The classical fourth-order step."""
    full, half = h.unsqueeze(1), h.unsqueeze(1) / 2
    a = field(x, t)
    b = field(x + half * a, t + h / 2)
    c = field(x + half * b, t + h / 2)
    d = field(x + full * c, t + h)
    return x + full / 6 * (a + 2 * b + 2 * c + d)


STEPS = {"euler": euler_step, "rk4": rk4_step}


def integrate_steps(
    field: Field,
    x: Tensor,
    start: Tensor,
    steps: Tensor,
    solver: str,
    path: StatePath | None = None,
) -> Tensor:
    """Take `steps[i]` equal steps from `start[i]` to 1 for every sample i.

    Args:
        field: v(x, t).
        x: (n, d), data units. start: (n,), in [0, 1]. steps: (n,) int64, >= 0.
        solver: "euler" or "rk4".
        path: gets the state after every step.
    """
    x, step = x.clone(), STEPS[solver]
    h = (1 - start) / steps.clamp_min(1)
    for k in range(int(steps.max())):
        active = steps > k
        t = start + k * h
        if bool(active.all()):
            x = step(field, x, t, h)
        else:
            x[active] = step(field, x[active], t[active], h[active])
        if path:
            path.add(x, torch.where(active, start + (k + 1) * h, 1.0))
    return x


def integrate_adaptive(field: Field, x: Tensor, start: Tensor, tolerance: float) -> Tensor:
    """Dormand-Prince with error control, by torchdiffeq.

    Samples share one clock s in [0, 1], t = start + s (1 - start), so the step size is that of the
    hardest sample. `start` is (n,), `tolerance` relative and absolute, data units.

    Raises:
        NsgfError: no step is short enough.
    """
    from torchdiffeq import odeint

    span = (1 - start).unsqueeze(1)

    def on_shared_clock(s: Tensor, state: Tensor) -> Tensor:
        return span * field(state, start + s * (1 - start))

    ends = torch.tensor([0.0, 1.0], dtype=x.dtype, device=x.device)
    try:
        return odeint(on_shared_clock, x, ends, rtol=tolerance, atol=tolerance, method="dopri5")[-1]
    except AssertionError as error:  # torchdiffeq's word for it
        raise NsgfError(
            f"dopri5 finds no step short enough ({error}): the field is too steep, or not finite",
            "look at the learning curve; train longer or with a smaller lr, or take solver euler",
        ) from error


def integrate(
    field: Field,
    x: Tensor,
    start: Tensor,
    steps: Tensor,
    settings: Sampling,
    path: StatePath | None,
) -> Tensor:
    """From `start` to 1 with the configured solver; `steps` counts where it takes fixed steps."""
    if settings.solver != "dopri5":
        return integrate_steps(field, x, start, steps, settings.solver, path)
    x = integrate_adaptive(field, x, start, settings.tolerance)
    if path:
        path.add(x, 1.0)
    return x


def steps_for(nfe: int, solver: str) -> int:
    """Steps that spend `nfe` evaluations a sample.

    Raises:
        NsgfError: the solver's evaluations a step do not divide nfe.
    """
    stages = STAGES.get(solver)
    if stages is None or nfe % stages:
        raise NsgfError(
            f"solver '{solver}' cannot spend exactly {nfe} evaluations a sample",
            "use euler, or rk4 with a multiple of 4",
        )
    return nfe // stages

"""NSGF++ inference (Algorithm 4): NSGF steps, predicted time, straight flow to t = 1.

Sample i is handed over at its own t_i = t_phi(X^T_i) and takes k_i = ceil((1 - t_i) / omega) equal
steps from there. NFE counts every evaluation of either field; the predictor's one evaluation a
sample is reported beside it.
"""

import torch
from torch import Tensor

from nsgf.sample.counted import Counted
from nsgf.sample.flow import flow_steps
from nsgf.sample.ode import integrate
from nsgf.sample.run import Batch, StatePath, Task


def straight_steps(handover: Tensor, omega: float) -> Tensor:
    """k_i = ceil((1 - t_i) / omega), (n,) int64, at least 1."""
    # Rounding in a float32 t must not buy a step: 0.1 / 0.02 is five steps, not six.
    return torch.ceil((1 - handover.double()) / omega - 1e-4).clamp_min(1).long()


def draw(task: Task, x0: Tensor, path: StatePath | None) -> Batch:
    """A batch of NSGF++ samples."""
    settings, flow = task.stage.sampling, task.stage.flow
    velocity, straight = Counted(task.net("velocity")), Counted(task.net("straight"))
    x = flow_steps(velocity, x0, flow, path)
    handover = task.net("phase")(x)
    if path:
        path.add(x, handover)
    steps = straight_steps(handover, settings.omega)
    x = integrate(straight, x, handover, steps, settings, path)
    return Batch(x, velocity.rows + straight.rows, velocity.calls + straight.calls, handover)

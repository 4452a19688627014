"""Flow-matching inference: integrate one field from noise at t = 0 to data at t = 1."""

import torch
from torch import Tensor

from nsgf.registry import METHODS
from nsgf.sample.counted import Counted
from nsgf.sample.ode import integrate, steps_for
from nsgf.sample.run import Batch, StatePath, Task


def draw(task: Task, x0: Tensor, path: StatePath | None) -> Batch:
    """A batch of samples of a method's last network, at a fixed NFE or adaptively."""
    name = METHODS[task.stage.method].networks[-1]
    settings, field = task.stage.sampling, Counted(task.net(name))
    start = torch.zeros(len(x0), device=x0.device)
    fixed = settings.solver != "dopri5"
    count = steps_for(task.nfe, settings.solver) if fixed else 1
    if path:
        path.add(x0, start)
    x = integrate(field, x0, start, torch.full_like(start, count).long(), settings, path)
    return Batch(x, field.rows, field.calls)

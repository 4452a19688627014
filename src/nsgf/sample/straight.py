"""Flow-matching inference: integrate one field from noise at t = 0 to data at t = 1."""

import torch

from nsgf.registry import METHODS
from nsgf.sample.counted import Counted
from nsgf.sample.ode import integrate_adaptive, integrate_steps, steps_for
from nsgf.sample.run import Path, Samples, Task


def sample(task: Task) -> Samples:
    """Samples of FM, OT-CFM or the straight flow alone, at a fixed NFE or adaptively."""
    (name,) = METHODS[task.stage.method].networks
    settings, field = task.stage.sampling, Counted(task.networks[name])
    path, done, most = Path(settings.path_samples), [], 0
    for start in task.chunks():
        watch = None if done else path
        if watch:
            watch.add(start, 0.0)
        zeros, before = torch.zeros(len(start), device=start.device), field.calls
        if settings.solver == "dopri5":
            x = integrate_adaptive(field, start, zeros, settings.tolerance)
            if watch:
                watch.add(x, 1.0)
        else:
            steps = torch.full_like(zeros, steps_for(task.nfe, settings.solver), dtype=torch.int64)
            x = integrate_steps(
                field, start, zeros, steps, settings.solver, watch.add if watch else None
            )
        most = max(most, field.calls - before)
        done.append(x)
        task.progress(len(x))
    return Samples(torch.cat(done), field.rows / len(task.x0), most, *path.stacked())

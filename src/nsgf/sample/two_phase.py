"""NSGF++ inference (Algorithm 4): NSGF steps, predicted time, straight flow to t = 1.

Sample i is handed over at its own t_i = t_phi(X^T_i) and takes k_i = ceil((1 - t_i) / omega) equal
steps from there. NFE counts every evaluation of either field; the predictor's one evaluation a
sample is reported beside it.
"""

import torch
from torch import Tensor

from nsgf.sample.counted import Counted
from nsgf.sample.flow import flow_steps
from nsgf.sample.ode import STAGES, integrate_adaptive, integrate_steps
from nsgf.sample.run import Path, Samples, Task


def straight_steps(handover: Tensor, omega: float) -> Tensor:
    """k_i = ceil((1 - t_i) / omega), (n,) int64, at least 1."""
    # Rounding in a float32 t must not buy a step: 0.1 / 0.02 is five steps, not six.
    return torch.ceil((1 - handover.double()) / omega - 1e-4).clamp_min(1).long()


def sample(task: Task) -> Samples:
    """Samples of NSGF++."""
    settings, flow = task.stage.sampling, task.stage.flow
    velocity, straight = Counted(task.networks["velocity"]), Counted(task.networks["straight"])
    path, done, times, most = Path(settings.path_samples), [], [], 0
    for start in task.chunks():
        watch = None if done else path
        x = flow_steps(velocity, start, flow, watch)
        handover = task.networks["phase"](x)
        if watch:
            watch.add(x, handover)
        before = straight.calls
        if settings.solver == "dopri5":
            x = integrate_adaptive(straight, x, handover, settings.tolerance)
            if watch:
                watch.add(x, 1.0)
        else:
            steps = straight_steps(handover, settings.omega)
            x = integrate_steps(
                straight, x, handover, steps, settings.solver, watch.add if watch else None
            )
        most = max(most, flow.steps + straight.calls - before)
        times.append(handover.cpu())
        done.append(x)
        task.progress(len(x))
    handovers, n = torch.cat(times), len(task.x0)
    facts = {
        "handover_mean": float(handovers.mean()),
        "handover_sd": float(handovers.std()),
        "predictor_evaluations": 1.0,
        "solver_stages": float(STAGES.get(settings.solver, 7)),
    }
    nfe = (velocity.rows + straight.rows) / n
    return Samples(torch.cat(done), nfe, most, *path.stacked(), facts)

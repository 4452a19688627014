"""Minibatch problems of a pool, several at a time."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from nsgf.config.pool import PoolStage
from nsgf.data.problem import Minibatch, Problem
from nsgf.device import pick
from nsgf.flows.sinkhorn import Trajectory, sinkhorn_flow


def stream_names(unit: dict) -> tuple:
    """Names of a pool's random streams; its minibatches add their number."""
    return "pool", unit["dataset"], unit["seed"]


def minibatches(
    problem: Problem, stage: PoolStage, unit: dict, batches: Sequence[int]
) -> list[Minibatch]:
    """Both ends of each flow; the target stays fixed along it (NSGF, Appendix A).

    Where each has a second minibatch beside it, all of these follow.
    """
    n, names = stage.pool.batch_size, stream_names(unit)
    ends = [problem.minibatch(n, stage.seed, *names, b) for b in batches]
    if stage.flow.self_term == "second":
        ends += [problem.minibatch(n, stage.seed, *names, b, "second") for b in batches]
    return ends


def trajectories(stage: PoolStage, ends: Sequence[Minibatch]) -> Trajectory:
    """The flows of the B minibatches of `ends` on the configured device, (T, B, n, d).

    Their velocities are those that networks learn: a step, over the flow's stride. What flows
    beside them is left out.
    """
    flow, device = stage.flow, pick(stage.compute.device)
    x0, y = (torch.stack([getattr(e, side) for e in ends]).to(device) for side in ("x0", "y"))
    names = ("backend", "scaling", "self_term")
    options = {name: getattr(flow, name) for name in names}
    found = sinkhorn_flow(x0, y, flow.blurs, flow.sizes, flow.steps, flow.tol, **options)
    rates = found.v.new_tensor([eta / flow.stride for eta in flow.sizes])
    found = replace(found, v=rates.view(-1, 1, 1, 1) * found.v)
    if flow.self_term != "second":
        return found
    first = len(ends) // 2
    along = {name: getattr(found, name)[:, :first] for name in ("x", "v", "divergence", "error")}
    return replace(found, end=found.end[:first], **along)

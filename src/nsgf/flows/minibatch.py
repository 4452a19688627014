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
    """Both ends of each flow; the target stays fixed along it (NSGF, Appendix A)."""
    n = stage.pool.batch_size
    return [problem.minibatch(n, stage.seed, *stream_names(unit), b) for b in batches]


def trajectories(stage: PoolStage, ends: Sequence[Minibatch]) -> Trajectory:
    """The flows of B minibatches on the configured device, (T, B, n, d).

    Their velocities are those that networks learn: a step, over the flow's stride.
    """
    flow, device = stage.flow, pick(stage.compute.device)
    x0, y = (torch.stack([getattr(e, side) for e in ends]).to(device) for side in ("x0", "y"))
    options = {"backend": flow.backend, "scaling": flow.scaling}
    found = sinkhorn_flow(x0, y, flow.blur, flow.sizes, flow.steps, flow.tol, **options)
    rates = found.v.new_tensor([eta / flow.stride for eta in flow.sizes])
    return replace(found, v=rates.view(-1, 1, 1, 1) * found.v)

"""A pool without a disk: flows are made as training consumes them (NSGF, section 4).

"Dynamically adding and removing": at training step s the pool holds `window` minibatches, from
number s // renew_every on. It is a function of s alone, so a resumed run draws what the run that
was killed would have drawn.
"""

import torch

from nsgf.config.pool import PoolStage
from nsgf.data.problem import Problem
from nsgf.errors import NotConverged
from nsgf.flows.minibatch import minibatches, trajectories
from nsgf.flows.pool import Draw, draw_indices
from nsgf.rng import Stream

GROUP = 8  # minibatches solved together when the window is filled


class StreamingPool:
    """The window of minibatch flows that training draws from.

    Args:
        problem: where minibatches come from.
        stage: the flow and the pool's size.
        unit: dataset and seed, which name the random streams; the same as a pool's on disk.
    """

    def __init__(self, problem: Problem, stage: PoolStage, unit: dict):
        self._problem, self._stage, self._unit = problem, stage, unit
        self.steps, self.batch_size = stage.flow.steps, stage.pool.batch_size
        self._held: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def draw(self, n: int, numbers: Stream, step: int) -> Draw:
        """`n` rows drawn uniformly, with replacement, from the window of training `step`."""
        pool = self._stage.pool
        first = step // pool.renew_every
        self._hold(range(first, first + pool.window))
        batch, k, row = draw_indices(n, numbers, pool.window, self)
        rows = [
            (x[j, i], v[j, i])
            for (x, v), j, i in zip((self._held[first + b] for b in batch), k, row, strict=True)
        ]
        x, v = (torch.stack(part).to(numbers.device) for part in zip(*rows, strict=True))
        return Draw(x, v, torch.from_numpy(k).to(numbers.device).float() / self.steps)

    def _hold(self, wanted: range) -> None:
        for old in [b for b in self._held if b not in wanted]:
            del self._held[old]
        missing = [b for b in wanted if b not in self._held]
        for i in range(0, len(missing), GROUP):
            group = missing[i : i + GROUP]
            ends = minibatches(self._problem, self._stage, self._unit, group)
            try:
                flow = trajectories(self._stage, ends)
            except NotConverged as trouble:
                raise NotConverged(
                    f"minibatches {group[0]} to {group[-1]} of {self._unit}: {trouble.what}",
                    "raise flow.tol or flow.blur",
                ) from trouble
            for j, b in enumerate(group):
                # A view would keep the whole group alive until its last minibatch leaves.
                self._held[b] = (flow.x[:, j].cpu().clone(), flow.v[:, j].cpu().clone())

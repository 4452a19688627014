"""A pool stored as points: states and velocities, memory-mapped.

x.npy    (batches, T, n, d), states before each step, float32 or float16
v.npy    (batches, T, n, d), velocities there
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nsgf.config.pool import PoolStage
from nsgf.data.problem import Minibatch, Problem
from nsgf.errors import NsgfError
from nsgf.flows.minibatch import trajectories
from nsgf.flows.pool import read_arrays
from nsgf.flows.resident import PointRows, Resident
from nsgf.registry import STORAGES

FILES = STORAGES["points"].files
GROUP = 16  # minibatches solved together


class Writer:
    """Fills a shard, group by group; reopened, it goes on.

    The space is reserved at once: a disk that fills up later would end the process by a signal.
    """

    def __init__(self, folder: Path, batches: int, done: int, stage: PoolStage, problem: Problem):
        d, dtype = math.prod(problem.shape), np.dtype(stage.pool.dtype)
        shape = (batches, stage.flow.steps, stage.pool.batch_size, d)
        self._stage, self._arrays = stage, []
        for path in (folder / name for name in FILES):
            mode = "r+" if done else "w+"
            self._arrays.append(np.lib.format.open_memmap(path, mode, dtype, shape))
            with path.open("r+b") as handle:
                os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)

    def put(self, first: int, ends: Sequence[Minibatch]) -> tuple[Tensor, Tensor, float]:
        """Solve and store the flows of minibatches `first`, `first` + 1, ...

        Returns: divergences and velocities' errors, (T, B) each, and the largest relative error of
        a step's velocities that storing them caused.
        """
        flow = trajectories(self._stage, ends)
        x, v = self._arrays
        solved = flow.x.shape[1]
        for k in range(solved):
            x[first + k], v[first + k] = flow.x[:, k].cpu().numpy(), flow.v[:, k].cpu().numpy()
        stored = torch.from_numpy(v[first : first + solved].astype(np.float32)).transpose(0, 1)
        exact = flow.v.cpu()
        error = (stored - exact).norm(dim=(-2, -1)) / exact.norm(dim=(-2, -1)).clamp_min(1e-30)
        return flow.divergence, flow.error, float(error.max())

    def flush(self) -> None:
        """Make all that was put lasting."""
        for array in self._arrays:
            array.flush()

    def finish(self) -> None:
        """Complete the files."""
        self.flush()


class Shard:
    """A shard for reading.

    Raises:
        NsgfError: it is missing, damaged or of another dimension.
    """

    def __init__(self, folder: Path, problem: Problem):
        d = math.prod(problem.shape)
        x, v = read_arrays(folder, FILES)
        if x.shape != v.shape or x.ndim != 4 or x.shape[-1] != d or not math.prod(x.shape):
            raise NsgfError(
                f"pool shard '{folder}' holds {x.shape[-1]}-d points of shape {x.shape};"
                f" the configuration needs {d}-d",
                "remove it and run again",
            )
        self._x, self._v = x, v
        self.batches, self.steps, self.batch_size = x.shape[:3]

    def points(self) -> tuple[Tensor, Tensor]:
        """All of it: states and velocities, float32 (batches, T, n, d)."""
        return tuple(torch.from_numpy(a.astype(np.float32)) for a in (self._x, self._v))

    def rows(self, batch: np.ndarray, step: np.ndarray, row: np.ndarray) -> tuple[Tensor, Tensor]:
        """States and velocities, float32 (k, d), at the indices (k,) of each."""
        where = (batch, step, row)
        x, v = (np.asarray(a[where], np.float32) for a in (self._x, self._v))
        return torch.from_numpy(x), torch.from_numpy(v)


def resident(shards: Sequence[Shard], device: torch.device) -> Resident:
    """These shards as one pool in a device's memory."""
    x, v = (torch.cat(side).to(device) for side in zip(*(s.points() for s in shards), strict=True))
    return Resident(PointRows(x, v), *x.shape[:3])

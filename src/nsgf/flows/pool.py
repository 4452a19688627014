"""The trajectory pool: minibatch flows stored for training (NSGF, Algorithm 1 a).

A pool is a list of shards; a shard is a folder:

x.npy             float32 (batches, T, n, d), states before each step
v.npy             float32 (batches, T, n, d), velocities there
divergence.csv    batch, step, divergence, marginal_error

The arrays are memory-mapped: training reads just the rows that it draws. Every minibatch has its
own random stream, so a pool's content does not depend on how it is cut into shards.
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from nsgf.config.pool import PoolStage
from nsgf.data.problem import Problem
from nsgf.device import pick
from nsgf.errors import NsgfError
from nsgf.flows.sinkhorn import Trajectory, sinkhorn_flow
from nsgf.rng import stream

ARRAYS = ("x.npy", "v.npy")
CURVE = "divergence.csv"
CURVE_HEADER = "batch,step,divergence,marginal_error\n"


@dataclass(frozen=True)
class Draw:
    """Rows drawn from a pool: x (n, d), v (n, d), and t = k / T in [0, 1), (n,)."""

    x: Tensor
    v: Tensor
    t: Tensor


class Pool:
    """Shards read as one pool.

    Args:
        shards: folders of the shards.
        d: dimension that the reader expects.

    Raises:
        NsgfError: a shard is missing, damaged or of another dimension.
    """

    def __init__(self, shards: Sequence[Path], d: int):
        self._x, self._v = zip(*(_open_shard(Path(s), d) for s in shards), strict=True)
        self.steps, self.batch_size = self._x[0].shape[1:3]
        self._first = np.cumsum([0] + [len(x) for x in self._x])

    def __len__(self) -> int:
        return int(self._first[-1]) * self.steps * self.batch_size

    def draw(self, n: int, generator: Generator) -> Draw:
        """`n` rows drawn uniformly with replacement."""
        flat = torch.randint(len(self), (n,), generator=generator).numpy()
        batch, step, row = np.unravel_index(
            flat, (int(self._first[-1]), self.steps, self.batch_size)
        )
        shard = np.searchsorted(self._first, batch, side="right") - 1
        x, v = np.empty((2, n, self._x[0].shape[-1]), np.float32)
        for s in np.unique(shard):
            mine = shard == s
            where = (batch[mine] - self._first[s], step[mine], row[mine])
            x[mine], v[mine] = self._x[s][where], self._v[s][where]
        t = torch.from_numpy(step).float() / self.steps
        return Draw(torch.from_numpy(x), torch.from_numpy(v), t)


def batches_of_shard(batches: int, shards: int, shard: int) -> range:
    """The minibatches of one shard: contiguous, sizes as equal as they can be."""
    return range(batches * shard // shards, batches * (shard + 1) // shards)


def trajectory(problem: Problem, stage: PoolStage, unit: str, seed: int, batch: int) -> Trajectory:
    """The flow of minibatch `batch`, on the configured device.

    The target is drawn first and stays fixed along the trajectory.
    """
    n, flow, device = stage.pool.batch_size, stage.flow, pick(stage.compute.device)
    numbers = stream(stage.seed, "pool", unit, seed, batch)
    y = problem.target(n, numbers).to(device)
    x0 = problem.source(n, numbers).to(device)
    return sinkhorn_flow(
        x0,
        y,
        flow.blur,
        flow.step_size,
        flow.steps,
        backend=flow.backend,
        scaling=flow.scaling,
    )


def allocate(folder: Path, batches: int, stage: PoolStage, d: int) -> list[np.ndarray]:
    """Create (or reopen) a shard's arrays x and v for writing.

    The space is reserved at once: a disk that fills up later would end the process by a signal.
    """
    shape = (batches, stage.flow.steps, stage.pool.batch_size, d)
    folder.mkdir(parents=True, exist_ok=True)
    arrays = []
    for path in (folder / name for name in ARRAYS):
        new = not path.exists()
        array = np.lib.format.open_memmap(path, "w+" if new else "r+", np.float32, shape)
        with path.open("r+b") as handle:
            os.posix_fallocate(handle.fileno(), 0, path.stat().st_size)
        arrays.append(array)
    return arrays


def curve_rows(batch: int, flow: Trajectory) -> Iterator[str]:
    """Lines of divergence.csv for one minibatch."""
    for k, (s, e) in enumerate(zip(flow.divergence, flow.marginal_error, strict=True)):
        yield f"{batch},{k},{float(s):.6g},{float(e):.6g}\n"


def _open_shard(folder: Path, d: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        x, v = (np.load(folder / name, mmap_mode="r") for name in ARRAYS)
    except (OSError, ValueError) as error:
        raise NsgfError(
            f"pool shard '{folder}' cannot be read: {error}", "remove it and run again"
        ) from error
    if x.shape != v.shape or x.ndim != 4 or x.shape[-1] != d or not math.prod(x.shape):
        raise NsgfError(
            f"pool shard '{folder}' holds {x.shape[-1]}-d points of shape {x.shape};"
            f" the configuration needs {d}-d",
            "remove it and run again",
        )
    return x, v

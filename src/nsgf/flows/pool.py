"""The trajectory pool: minibatch flows for training (NSGF, Algorithm 1 a).

A pool on disk is a list of shards, each a folder; what lies in it is the matter of the storage
(`nsgf.flows.points`, `nsgf.flows.coefficients`), except for

flow.json         storage, steps, step_size, number of the first minibatch, random streams
divergence.csv    batch, step, divergence, error

The arrays are memory-mapped: training reads just the rows that it draws. Every minibatch has its
own random stream, so a pool's content does not depend on how it is cut into shards.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from nsgf.artifact import readable
from nsgf.data.problem import Problem
from nsgf.errors import NsgfError
from nsgf.registry import SHARD_META, STORAGES, Storage, lookup, module_of
from nsgf.rng import Stream

if TYPE_CHECKING:
    from nsgf.flows.resident import Resident

CURVE_HEADER = "batch,step,divergence,error\n"


@dataclass(frozen=True)
class Draw:
    """Rows drawn from a pool: x (n, d), v (n, d), and t = k / T in [0, 1), (n,)."""

    x: Tensor
    v: Tensor
    t: Tensor


class Shard(Protocol):
    """A part of a pool that can be read."""

    batches: int
    steps: int
    batch_size: int

    def rows(self, batch: np.ndarray, step: np.ndarray, row: np.ndarray) -> tuple[Tensor, Tensor]:
        """States and velocities (k, d) at the indices (k,) of each."""


class Pool:
    """Shards read as one pool."""

    def __init__(self, shards: Sequence[Shard]):
        self._shards = shards
        self.steps, self.batch_size = shards[0].steps, shards[0].batch_size
        self._first = np.cumsum([0] + [s.batches for s in shards])

    def __len__(self) -> int:
        return int(self._first[-1]) * self.steps * self.batch_size

    def draw(self, n: int, numbers: Stream, step: int = 0) -> Draw:
        """`n` rows drawn uniformly with replacement; the same pool at every training `step`."""
        batch, k, row = draw_indices(n, numbers, int(self._first[-1]), self)
        shard = np.searchsorted(self._first, batch, side="right") - 1
        parts = []
        for s in np.unique(shard):
            (mine,) = np.nonzero(shard == s)
            x, v = self._shards[s].rows(batch[mine] - self._first[s], k[mine], row[mine])
            parts.append((mine, x, v))
        order = torch.from_numpy(np.concatenate([p[0] for p in parts])).argsort()
        x, v = (torch.cat([p[j] for p in parts])[order].to(numbers.device) for j in (1, 2))
        return Draw(x, v, torch.from_numpy(k).to(numbers.device).float() / self.steps)


def open_pool(
    shards: Sequence[Path], problem: Problem, device: torch.device | str = "cpu"
) -> "Pool | Resident":
    """The pool whose shards lie in these folders; `problem` is what it was made for.

    On another device than the CPU it is read into that device's memory (`nsgf.flows.resident`).

    Raises:
        NsgfError: a shard is missing, damaged or of another dimension.
    """
    form = module_of(storage_of(shards[0]).module)
    parts = [form.Shard(shard, problem) for shard in shards]
    device = torch.device(device)
    if device.type == "cpu":
        return Pool(parts)
    try:
        return form.resident(parts, device)
    except torch.OutOfMemoryError as error:
        raise NsgfError(
            "the pool does not fit into the GPU's memory",
            "set pool.storage to coefficients (images), or pool.batches lower",
        ) from error


def storage_of(shard: Path) -> Storage:
    """The form of a shard.

    Raises:
        NsgfError: its description is missing or damaged.
    """
    return lookup(STORAGES, read_meta(shard)["storage"], "pool storage")


def read_meta(shard: Path) -> dict:
    """What flow.json of a shard tells: storage, steps, step_size, first minibatch and streams.

    Raises:
        NsgfError: it is missing or damaged.
    """
    with readable(f"pool shard '{shard}'"):
        meta = json.loads((shard / SHARD_META).read_text())
        if missing := {"storage", "steps", "step_size", "first", "stream"} - set(meta):
            raise ValueError(f"{SHARD_META} lacks {', '.join(sorted(missing))}")
    return meta


def read_arrays(shard: Path, names: Sequence[str]) -> list[np.ndarray]:
    """Arrays of a shard by the names of their files, memory-mapped.

    Raises:
        NsgfError: one is missing or damaged.
    """
    with readable(f"pool shard '{shard}'"):
        return [np.lib.format.open_memmap(shard / name, "r") for name in names]


def draw_indices(n: int, numbers: Stream, batches: int, pool) -> tuple[np.ndarray, ...]:
    """Minibatch, step and row of `n` rows drawn uniformly with replacement, (n,) each."""
    shape = (batches, pool.steps, pool.batch_size)
    flat = numbers.integers(int(np.prod(shape)), n).cpu().numpy()
    return np.unravel_index(flat, shape)


def batches_of_shard(batches: int, shards: int, shard: int) -> range:
    """The minibatches of one shard: contiguous, sizes as equal as they can be."""
    return range(batches * shard // shards, batches * (shard + 1) // shards)


def curve_rows(batch: int, divergence: Tensor, error: Tensor) -> Iterator[str]:
    """Lines of divergence.csv for one minibatch; both tensors are (T,)."""
    for k, (s, e) in enumerate(zip(divergence, error, strict=True)):
        yield f"{batch},{k},{float(s):.6g},{float(e):.6g}\n"

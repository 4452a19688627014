"""Pools in a device's memory: rows are drawn and put together there, and nothing waits for it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nsgf import philox
from nsgf.data.problem import ImageProblem
from nsgf.flows.pool import Draw
from nsgf.rng import Stream

PIXELS = 1 << 28  # of images that are combined at a time


class Rows(Protocol):
    """What a pool holds."""

    def at(self, batch: Tensor, step: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        """States and velocities, float32 (k, d), at the indices (k,) of each."""


class Resident:
    """A pool on a device.

    Args:
        rows: what it holds, `batches` x `steps` x `batch_size` states and velocities.
    """

    def __init__(self, rows: Rows, batches: int, steps: int, batch_size: int):
        self._rows, self._batches, self.steps, self.batch_size = rows, batches, steps, batch_size

    def __len__(self) -> int:
        return self._batches * self.steps * self.batch_size

    def draw(self, n: int, numbers: Stream, step: int = 0) -> Draw:
        """As `nsgf.flows.pool.Pool`: the same rows from the same stream."""
        flat = numbers.integers(len(self), n)
        row, k = flat % self.batch_size, flat // self.batch_size % self.steps
        x, v = self._rows.at(flat // (self.batch_size * self.steps), k, row)
        return Draw(x, v, k.float() / self.steps)


class PointRows:
    """States and velocities as they are, float32 (batches, T, n, d) each."""

    def __init__(self, x: Tensor, v: Tensor):
        self._x, self._v = x, v

    def at(self, batch: Tensor, step: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        """As `Rows`."""
        return self._x[batch, step, row], self._v[batch, step, row]


@dataclass(frozen=True)
class Content:
    """Arrays of a shard of coefficients (`nsgf.flows.coefficients`), and its noise's keys.

    Attributes:
        keys: of the random streams of its minibatches' x0, int64 (batches,).
        step_size: eta.
    """

    target: np.ndarray
    mirrored: np.ndarray
    starts: np.ndarray
    columns: np.ndarray
    weights: np.ndarray
    keys: np.ndarray
    step_size: float


class MixedRows:
    """Rows put together from noise and training images.

    Every row takes as many entries as the longest has: their number would else have to be asked of
    the device.

    Args:
        parts: shards, in their order. problem: of their images.
    """

    def __init__(self, parts: Sequence[Content], problem: ImageProblem, device: torch.device):
        def joined(name: str, dtype: type, spare: tuple = ()) -> Tensor:
            arrays = [getattr(part, name).astype(dtype) for part in parts]
            return torch.from_numpy(np.concatenate([*arrays, *spare])).to(device)

        lengths = np.cumsum([0] + [len(part.columns) for part in parts])
        starts = [p.starts + first for p, first in zip(parts, lengths[:-1], strict=True)]
        self._starts = torch.from_numpy(np.concatenate(starts)).to(device)
        # One entry to spare: where a row has none, one is read and not used.
        self._columns = joined("columns", np.int32, spare=(np.zeros(1, np.int32),))
        self._weights = joined("weights", np.float32, spare=(np.zeros(1, np.float32),))
        self._target, self._mirrored = joined("target", np.int64), joined("mirrored", np.bool_)
        self._keys, self._step_size = joined("keys", np.int64), parts[0].step_size
        self._turns = bool(self._mirrored.any())
        self._images, self._n = problem.pixels(device), self._target.shape[1]
        noisy = torch.cat([self._columns.new_zeros(1), (self._columns < self._n).cumsum(0)])
        self._slots = max(1, int(self._starts.diff(dim=1).max()))
        # Entries of noise come first in a row.
        self._noisy = max(1, int(noisy[self._starts].diff(dim=1).max()))

    def at(self, batch: Tensor, step: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        """As `Rows`."""
        given = batch.repeat(2), torch.cat([step, step + 1]), row.repeat(2)
        rows = max(1, PIXELS // (self._slots * math.prod(self._images.shape[1:])))
        pieces = zip(*(part.split(rows) for part in given), strict=True)
        x, end = torch.cat([self._state(*piece) for piece in pieces]).chunk(2)
        return x, (end - x) / self._step_size

    def _state(self, batch: Tensor, state: Tensor, row: Tensor) -> Tensor:
        """States (k, d): number 0 is the start itself, one entry of its own."""
        begins = state == 0
        place = ((state - 1) * self._n + row).clamp_min(0)
        first, end = self._starts[batch, place], self._starts[batch, place + 1]
        where = first.unsqueeze(1) + torch.arange(self._slots, device=first.device)
        live = (where < end.unsqueeze(1)) & ~begins.unsqueeze(1)
        where = where.clamp_max(len(self._columns) - 1)
        columns = self._columns[where].long()
        weights = self._weights[where] * live
        columns[:, 0] = torch.where(begins, row, columns[:, 0])
        weights[:, 0] = torch.where(begins, 1, weights[:, 0])
        return self._noise(batch, columns, weights) + self._mixed(batch, columns, weights)

    def _noise(self, batch: Tensor, columns: Tensor, weights: Tensor) -> Tensor:
        columns, weights = columns[:, : self._noisy], weights[:, : self._noisy]
        d = math.prod(self._images.shape[1:])
        blocks = -(-d // 4) + 1  # a row may begin within one
        begin = columns * d
        numbers = (begin // 4).unsqueeze(-1) + torch.arange(blocks, device=begin.device)
        words = philox.words(numbers, 0, self._keys[batch].view(-1, 1, 1))
        normals = philox.normals_of(words).flatten(2)
        lanes = (begin % 4).unsqueeze(-1) + torch.arange(d, device=begin.device)
        noise = normals.gather(-1, lanes)
        return torch.einsum("rk,rkd->rd", weights * (columns < self._n), noise)

    def _mixed(self, batch: Tensor, columns: Tensor, weights: Tensor) -> Tensor:
        weights = weights * (columns >= self._n)
        chosen = batch.unsqueeze(1), (columns - self._n).clamp_min(0)
        index, mirrored = self._target[chosen], self._mirrored[chosen]
        images = self._images[index].float()
        mixed = torch.einsum("rk,rkchw->rchw", weights * ~mirrored, images)
        if self._turns:
            mixed = mixed + torch.einsum("rk,rkchw->rchw", weights * mirrored, images).flip(-1)
        return (mixed / 127.5).flatten(1) - weights.sum(1, keepdim=True)

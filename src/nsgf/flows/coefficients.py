"""A pool stored as coefficients: how noise and training images combine to states and velocities.

Along a flow x_k = A_k x0 + B_k y (`nsgf.flows.gram`), and v_k = (x_{k+1} - x_k) / eta. Rows of
[A_k B_k] have few entries where eps is small against distances, x0 is noise that a seed gives again
and y are training images that an index names: so this is a pool's whole content.

target.npy      int64 (batches, n), training image of each target
mirrored.npy    bool (batches, n)
starts.npy      int64 (batches, T * n + 1), where the entries of a row begin: row i of state k at
                place (k - 1) n + i, for k = 1 ... T; the start x_0 needs none
columns.npy     uint16 (entries,), j < n: row j of x0, else row j - n of y
weights.npy     float32 or float16 (entries,)
"""

import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from nsgf.config.pool import PoolStage
from nsgf.data.problem import ImageProblem, Minibatch
from nsgf.device import pick
from nsgf.errors import NsgfError
from nsgf.flows.gram import gram_flow
from nsgf.flows.pool import read_arrays, read_meta
from nsgf.flows.resident import Content, MixedRows, Resident
from nsgf.rng import stream_seed

INDEX = {"target.npy": np.int64, "mirrored.npy": np.bool_, "starts.npy": np.int64}
ENTRIES = ("columns.npy", "weights.npy")
TINY = 1e-12  # no entry at all below this
GROUP = 8  # minibatches solved together


class Writer:
    """Fills a shard, group by group; reopened, it goes on.

    Entries are appended to plain files, since their number is known only at the end; `finish` puts
    the header of the .npy format before them.
    """

    def __init__(
        self, folder: Path, batches: int, done: int, stage: PoolStage, problem: ImageProblem
    ):
        n, steps = stage.pool.batch_size, stage.flow.steps
        self._folder, self._stage = folder, stage
        widths = {"target.npy": n, "mirrored.npy": n, "starts.npy": steps * n + 1}
        self._index = {
            name: np.lib.format.open_memmap(
                folder / name, "r+" if done else "w+", INDEX[name], (batches, width)
            )
            for name, width in widths.items()
        }
        self._types = {
            "columns.npy": np.dtype(np.uint16),
            "weights.npy": np.dtype(stage.pool.dtype),
        }
        self._count = int(self._index["starts.npy"][done - 1, -1]) if done else 0
        self._raw = {name: (folder / name).with_suffix(".raw") for name in ENTRIES}
        self._streams = {name: path.open("ab") for name, path in self._raw.items()}
        for name, dtype in self._types.items():  # a kill leaves more than the curve counts
            self._streams[name].truncate(self._count * dtype.itemsize)

    def put(self, first: int, ends: Sequence[Minibatch]) -> tuple[Tensor, Tensor, float]:
        """Solve and store the flows of minibatches `first`, `first` + 1, ...

        Returns: divergences and velocities' errors, (T, B) each, and the largest relative error of
        a step's velocities that storing them caused, measured on the first minibatch.
        """
        flow, device = self._stage.flow, pick(self._stage.compute.device)
        x0, y = (torch.stack([getattr(e, s) for e in ends]).to(device) for s in ("x0", "y"))
        n = x0.shape[1]
        state = torch.eye(n, 2 * n, device=device).repeat(len(ends), 1, 1)
        probe = torch.cat([x0[0], y[0]]).cpu()
        rows: list[list[sparse.csr_array]] = [[] for _ in ends]
        divergence, error, loss, stored = [], [], 0.0, state[0].cpu() @ probe
        steps = gram_flow(x0, y, flow.blur, flow.sizes, flow.steps, flow.tol)
        for eta, step in zip(flow.sizes, steps, strict=True):
            before = state[0]
            state = step.moved(state, eta)
            state[..., n:] += eta * step.across
            for kept, dense in zip(rows, state.cpu().numpy(), strict=True):
                kept.append(self._kept(dense))
            exact = (state[0] - before).cpu() @ probe
            now = torch.from_numpy(rows[0][-1].astype(np.float32) @ probe.numpy())
            loss = max(loss, float((now - stored - exact).norm() / exact.norm().clamp_min(1e-30)))
            stored = now
            divergence.append(step.divergence)
            error.append(step.error)
        for k, (end, states) in enumerate(zip(ends, rows, strict=True)):
            self._store(first + k, end, states)
        return torch.stack(divergence), torch.stack(error), loss

    def flush(self) -> None:
        """Make all that was put lasting."""
        for stream in self._streams.values():
            stream.flush()
            os.fsync(stream.fileno())
        for array in self._index.values():
            array.flush()

    def finish(self) -> None:
        """Complete the files."""
        self.flush()
        for name, dtype in self._types.items():
            self._streams[name].close()
            header = {"descr": dtype.str, "fortran_order": False, "shape": (self._count,)}
            with (self._folder / name).open("wb") as out, self._raw[name].open("rb") as raw:
                np.lib.format.write_array_header_1_0(out, header)
                shutil.copyfileobj(raw, out)

    def _kept(self, state: np.ndarray) -> sparse.csr_array:
        """The entries of a state's rows that are stored, as they are stored."""
        rows, columns = np.nonzero(np.abs(state) >= max(self._stage.pool.drop, TINY))
        weights = state[rows, columns].astype(self._types["weights.npy"])
        starts = np.searchsorted(rows, np.arange(len(state) + 1))
        return sparse.csr_array((weights, columns, starts), shape=state.shape)

    def _store(self, batch: int, ends: Minibatch, states: list[sparse.csr_array]) -> None:
        self._index["target.npy"][batch], self._index["mirrored.npy"][batch] = ends.chosen
        starts = self._index["starts.npy"][batch]
        starts[0] = self._count
        for k, state in enumerate(states):
            n = state.shape[0]
            starts[k * n + 1 : (k + 1) * n + 1] = self._count + state.indptr[1:]
            self._streams["columns.npy"].write(state.indices.astype(np.uint16).tobytes())
            self._streams["weights.npy"].write(state.data.tobytes())
            self._count += state.nnz


class Shard:
    """A shard for reading: rows are put together from noise and training images when drawn.

    Raises:
        NsgfError: it is missing or damaged.
    """

    def __init__(self, folder: Path, problem: ImageProblem):
        arrays = read_arrays(folder, (*INDEX, *ENTRIES))
        self._target, self._mirrored, self._starts, self._columns, self._weights = arrays
        meta = read_meta(folder)
        self._step_size, self._names, self._first = meta["step_size"], meta["stream"], meta["first"]
        self.steps, self.problem = meta["steps"], problem
        expected = {"shape": list(problem.shape), "images": len(problem)}
        held = {key: meta.get(key) for key in expected}
        if held != expected:
            raise NsgfError(
                f"pool shard '{folder}' was made from images {held}, not {expected}",
                "remove it and run again",
            )
        self.batches, self.batch_size = self._target.shape
        if self._starts.shape[1] != self.steps * self.batch_size + 1 or (
            len(self._columns) != len(self._weights) or self._starts[-1, -1] != len(self._columns)
        ):
            raise NsgfError(
                f"the files of pool shard '{folder}' do not fit each other",
                "remove it and run again",
            )

    def content(self) -> Content:
        """All of it, and the keys of its minibatches' noise."""
        seed, *names = self._names
        keys = [stream_seed(seed, *names, self._first + b, "noise") for b in range(self.batches)]
        arrays = self._target, self._mirrored, self._starts, self._columns, self._weights
        return Content(*map(np.asarray, arrays), np.array(keys), self._step_size)

    def rows(self, batch: np.ndarray, step: np.ndarray, row: np.ndarray) -> tuple[Tensor, Tensor]:
        """States and velocities, float32 (k, d), at the indices (k,) of each."""
        k, n = len(batch), self.batch_size
        before = self._entries(batch, step, row)
        after = self._entries(batch, step + 1, row)
        owner, column, weight = (np.concatenate(pair) for pair in zip(before, after, strict=True))
        owner[len(before[0]) :] += k
        of = batch[owner % k]
        image = column >= n
        chosen = (of[image], column[image] - n)
        mixed = self.problem.mixed(
            2 * k, owner[image], weight[image], self._target[chosen], self._mirrored[chosen]
        )
        # Each noise row that is needed is made once.
        needed, place = np.unique(of[~image] * n + column[~image], return_inverse=True)
        noise = self._noise(*np.divmod(needed, n))
        shape = (2 * k, len(needed))
        mixed += sparse.csr_array((weight[~image], (owner[~image], place)), shape=shape) @ noise
        x, end = torch.from_numpy(mixed).split(k)
        return x, (end - x) / self._step_size

    def _noise(self, batch: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Rows of x0 by minibatch, sorted, and row; float32 (k, d)."""
        parts = [torch.empty(0, math.prod(self.problem.shape))] + [
            self.problem.noise(row[batch == b].tolist(), *self._names, self._first + int(b))
            for b in np.unique(batch)
        ]
        return torch.cat(parts).numpy()

    def _entries(self, batch: np.ndarray, state: np.ndarray, row: np.ndarray):
        """Owner (index into the request), column and weight of every entry of the rows."""
        at = np.maximum(state - 1, 0) * self.batch_size + row
        first, end = self._starts[batch, at], self._starts[batch, at + 1]
        length = np.where(state == 0, 1, end - first)
        owner = np.repeat(np.arange(len(batch)), length)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(length) - length, length)
        # State 0 is the start itself: one entry of its own.
        begins = (state == 0)[owner]
        where = np.where(begins, 0, first[owner] + place)
        columns = np.where(begins, row[owner], self._columns[where])
        return owner, columns, np.where(begins, 1, self._weights[where]).astype(np.float32)


def resident(shards: Sequence[Shard], device: torch.device) -> Resident:
    """These shards as one pool in a device's memory, with the images that it combines."""
    rows = MixedRows([shard.content() for shard in shards], shards[0].problem, device)
    first = shards[0]
    return Resident(rows, sum(s.batches for s in shards), first.steps, first.batch_size)

"""Where a long stage keeps what it needs to go on after a kill.

The folder lies outside the results, because Snakemake removes the outputs of a failed job, and is
keyed by everything that fixes the work: configuration, code, inputs and unit. A job in another
checkout finds it too. A lock that dies with its owner keeps two jobs from writing at once.
"""

import fcntl
import io
import os
import pickle
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from nsgf.artifact import atomic, sha256_json
from nsgf.errors import NsgfError

if TYPE_CHECKING:
    import torch

# What torch raises on bytes that it did not write, by where it stumbles.
DAMAGED = (
    *(OSError, EOFError, RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError),
    pickle.UnpicklingError,
)
WAIT_SECONDS = 60


def state_root() -> Path:
    """`$NSGF_STATE`, or the user's cache folder."""
    chosen = os.environ.get("NSGF_STATE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("nsgf") / "state"


class WorkState:
    """A locked folder for the work that `key` describes; removed when the work succeeds.

    Use as a context manager; the folder stays when its block is left by an exception.

    Raises:
        NsgfError: another live process works on the same key.
    """

    def __init__(self, key: object):
        self.path = state_root() / sha256_json(key)[:32]

    def __enter__(self) -> Path:
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = (self.path / "lock").open("w")
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._try_lock():
            if time.monotonic() > deadline:
                raise NsgfError(
                    f"another process is still doing the same work (state '{self.path}')",
                    "wait for it, or end it and run again",
                )
            time.sleep(0.5)
        if cut := [p for p in self.path.glob("*.npy") if not _is_whole(p)]:
            print(f"dropped state '{self.path}': '{cut[0].name}' was cut off", flush=True)
            for path in self.path.iterdir():
                if path.name != "lock":
                    path.unlink()
        return self.path

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False


def _is_whole(path: Path) -> bool:
    """Whether an array has the bytes that its header promises.

    A writer that goes on would fill what is missing with zeros.
    """
    import numpy as np

    with path.open("rb") as handle:
        try:
            np.lib.format.read_magic(handle)
            shape, _, dtype = np.lib.format.read_array_header_1_0(handle)
        except (ValueError, EOFError):  # cut within its header
            return False
        return path.stat().st_size >= handle.tell() + dtype.itemsize * int(np.prod(shape))


def keep(path: Path, state: dict) -> None:
    """Write tensors and plain values, whole or not at all."""
    import torch

    # Through a buffer, so that a full disk is an OSError like any other.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with atomic(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def read_kept(path: Path, device: "torch.device | str" = "cpu") -> dict | None:
    """What `keep` wrote; a file that cannot be read is removed, and the answer is None."""
    import torch

    try:
        return torch.load(path, weights_only=True, map_location=device)
    except DAMAGED as error:
        print(f"dropped unreadable state '{path}': {error}", flush=True)
        path.unlink(missing_ok=True)
        return None

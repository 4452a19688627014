"""Where a long stage keeps what it needs to go on after a kill.

The folder lies outside the results, because Snakemake removes the outputs of a failed job, and is
keyed by everything that fixes the work: configuration, code, inputs and unit. A job in another
checkout finds it too. A lock that dies with its owner keeps two jobs from writing at once.
"""

import contextlib
import fcntl
import io
import os
import pickle
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from nsgf import artifact
from nsgf.artifact import atomic, read_npy, sha256_json
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


@contextlib.contextmanager
def work_state(key: object) -> Iterator[Path]:
    """A locked folder for the work that `key` describes.

    It is removed when the work succeeds, and stays when the block is left by an exception.

    Raises:
        NsgfError: another live process works on the same key.
    """
    path = state_root() / sha256_json(key)[:32]
    path.mkdir(parents=True, exist_ok=True)
    held = NsgfError(
        f"another process is still doing the same work (state '{path}')",
        "wait for it, or end it and run again",
    )
    with locked(path / "lock", held, WAIT_SECONDS):
        if cut := [p for p in path.glob("*.npy") if not _is_whole(p)]:
            print(f"dropped state '{path}': '{cut[0].name}' was cut off", flush=True)
            for file in path.iterdir():
                if file.name != "lock":
                    file.unlink()
        yield path
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def locked(path: Path, held: NsgfError, patience: float = 0) -> Iterator[None]:
    """Hold the lock `path`, which dies with its owner.

    Raises:
        NsgfError: `held`, where another process has it for `patience` seconds more.
    """
    deadline = time.monotonic() + patience
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise held from None
                time.sleep(0.5)
        yield


def _is_whole(path: Path) -> bool:
    """Whether an array has the bytes that its header promises.

    A writer that goes on would fill what is missing with zeros.
    """
    try:
        read_npy(path, mapped=True)
        return True
    except NsgfError:
        return False


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

    def load(path: Path) -> dict:
        return torch.load(path, weights_only=True, map_location=device)

    return artifact.read_kept(path, load, DAMAGED)

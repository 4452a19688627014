"""One run at a time in a folder: our own lock, and the one that a killed Snakemake leaves."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

import psutil

from nsgf.errors import NsgfError
from nsgf.ops.watch.state import LOCK

SNAKEMAKES = Path(".snakemake/locks")


@contextlib.contextmanager
def only_run() -> Iterator[None]:
    """One run at a time in this folder; the lock dies with its owner.

    Raises:
        NsgfError: another run is under way here.
    """
    LOCK.parent.mkdir(exist_ok=True)
    with LOCK.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NsgfError(
                "another reproduce is running in this folder", "wait for it, or end it first"
            ) from error
        yield


def clear_stale_lock() -> None:
    """Remove Snakemake's lock if the run that held it is dead.

    Raises:
        NsgfError: a Snakemake started by hand is alive in this folder.
    """
    if not any(SNAKEMAKES.glob("*")):
        return
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        here = process.info["cwd"] == str(Path.cwd())
        job = "--target-jobs" in words  # what a run started on a node, if this is one
        if here and not job and any(Path(w).name == "snakemake" for w in words[:3]):
            raise NsgfError(
                f"Snakemake is running in this folder (process {process.pid})",
                "wait for it, or end it first",
            )
    for lock in SNAKEMAKES.glob("*"):
        lock.unlink()

"""Snakemake as a child of ours: started, followed to its end, and asked for its report."""

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from tqdm import tqdm

from nsgf.errors import NsgfError
from nsgf.lifeline import die_with_parent
from nsgf.ops.watch.events import DONE

SNAKEMAKE = (sys.executable, "-m", "snakemake")


@dataclass(frozen=True)
class Ended:
    """What became of a run of Snakemake.

    Attributes:
        code: its exit code.
        done: jobs that it did.
        cost: wall seconds, peak memory in MB, and the share of core time that was used.
    """

    code: int
    done: int
    cost: dict


class Meter:
    """What Snakemake and its jobs take on this machine; memory is read once a second."""

    def __init__(self, pid: int):
        self._root, self._peak, self._stop = psutil.Process(pid), 0, threading.Event()
        self._start, self._spent = time.monotonic(), _core_seconds()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def wall(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def cost(self) -> dict:
        """All of it, once Snakemake has ended."""
        self._stop.set()
        cores = len(os.sched_getaffinity(0))
        return {
            "wall_s": round(self.wall, 1),
            "peak_rss_mb": round(self._peak / 1e6),
            "busy_fraction": round((_core_seconds() - self._spent) / self.wall / cores, 3),
            "cores": cores,
        }

    def _watch(self) -> None:
        while not self._stop.wait(1):
            total = 0
            with suppress(psutil.NoSuchProcess):
                for process in [self._root, *self._root.children(recursive=True)]:
                    with suppress(psutil.NoSuchProcess):  # it has just ended
                        total += process.memory_info().rss
            self._peak = max(self._peak, total)


def _core_seconds() -> float:
    """Of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def dry_run(words: Sequence[str]) -> int:
    """Let Snakemake say what it would do; returns its exit code."""
    return subprocess.run([*SNAKEMAKE, "--dry-run", "--quiet", "rules", *words]).returncode


def run(words: Sequence[str], log: Path) -> Ended:
    """Run Snakemake to its end, with one line of progress; what it says goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [*SNAKEMAKE, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # On SIGTERM alone it would first wait for its jobs, which may take days.
        preexec_fn=die_with_parent,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    meter, done = Meter(process.pid), 0
    try:
        with log.open("w") as copy, tqdm(desc="jobs", unit="job", disable=None) as bar:
            for line in process.stdout:
                copy.write(line)
                copy.flush()
                if match := DONE.search(line):
                    done, bar.total = int(match[1]), int(match[2])
                    bar.update(done - bar.n)
                    if not sys.stderr.isatty():
                        print(f"{done}/{bar.total} jobs, {meter.wall:.0f} s", flush=True)
        return Ended(process.wait(), done, meter.cost())
    except BaseException:
        # Left alone it would work on in a folder that the next run wants. Its local jobs end with
        # it; those on SLURM are cancelled next, and must not be sent again.
        process.kill()
        process.wait()
        raise


def report(page: Path, wanted: Sequence[str], settings: Sequence[str], log: Path) -> bool:
    """Make the HTML report if anything in it is newer; returns whether it was made.

    Raises:
        NsgfError: Snakemake could not make it; what it said is at the end of `log`.
    """
    newest = max(Path(p).stat().st_mtime for p in wanted if Path(p).exists())
    if page.exists() and page.stat().st_mtime >= newest:
        return False
    temporary = page.with_name(f".{page.name}")
    command = [*SNAKEMAKE, "--report", f"{temporary}.html", *settings]
    result = subprocess.run(command, capture_output=True, text=True)
    with log.open("a") as copy:
        copy.write(result.stdout + result.stderr)
    if result.returncode:
        raise NsgfError("Snakemake could not make the HTML report", f"see the end of {log}")
    Path(f"{temporary}.html").replace(page)
    return True

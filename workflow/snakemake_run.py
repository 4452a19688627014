"""Snakemake as a child of ours: started, followed to its end, and asked for its report."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from meter import Meter
from tqdm import tqdm

from nsgf.errors import NsgfError
from nsgf.lifeline import die_with_parent
from nsgf.ops.watch.events import DONE, FAILED, FINISHED

SNAKEMAKE = (sys.executable, "-m", "snakemake")


@dataclass(frozen=True)
class Ended:
    """What became of a run of Snakemake.

    Attributes:
        code: its exit code.
        done: jobs that it did.
        failed: rules of which the last attempt failed.
        cost: what it cost, as Meter has it.
    """

    code: int
    done: int
    failed: tuple[str, ...]
    cost: dict


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
    meter, failed, done = Meter(process.pid), {}, 0
    with (
        log.open("w") as copy,
        tqdm(desc="jobs", unit="job", disable=None) as bar,
        _ends_with_us(process),
    ):
        for line in process.stdout:
            copy.write(line)
            copy.flush()
            if match := DONE.search(line):
                done, bar.total = int(match[1]), int(match[2])
                bar.update(done - bar.n)
                if not sys.stderr.isatty():
                    print(f"{done}/{bar.total} jobs, {meter.wall:.0f} s", flush=True)
            if match := FAILED.search(line):
                failed[match[1]] = True
            if match := FINISHED.search(line):
                failed.pop(match[1], None)  # a later attempt succeeded
    return Ended(process.wait(), done, tuple(failed), meter.cost())


@contextlib.contextmanager
def _ends_with_us(process: subprocess.Popen) -> Iterator[None]:
    """A Snakemake that is left alone would work on in a folder that the next run wants.

    Its local jobs end with it; those on SLURM are cancelled next, and must not be sent again.
    """
    try:
        yield
    except BaseException:
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

"""What must hold of the folder before Snakemake starts: no other run, no damaged file, no hole.

Snakemake sees times, not bytes: a file that was altered with its time stamp kept would be built on,
one that was altered openly would be a newer input, and good results would be made anew from it.
"""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from nsgf.artifact import read_json, sidecar
from nsgf.engine.digests import Digests, altered, damaged
from nsgf.engine.lineage import in_order, recipes
from nsgf.engine.state import locked
from nsgf.engine.task import Job, Task
from nsgf.errors import NsgfError
from nsgf.layout import Layout
from nsgf.ops.plan.forecast import JobForecast
from nsgf.ops.text import size
from nsgf.ops.watch.state import LOCK

SNAKEMAKES = Path(".snakemake/locks")


@contextlib.contextmanager
def only_run() -> Iterator[None]:
    """One run at a time in this folder; the lock dies with its owner.

    Raises:
        NsgfError: another run is under way here, or a Snakemake that was started by hand.
    """
    LOCK.parent.mkdir(exist_ok=True)
    other = "another reproduce is running in this folder"
    with locked(LOCK, NsgfError(other, "wait for it, or end it first")):
        _clear_stale_lock()
        yield


def _clear_stale_lock() -> None:
    """Remove Snakemake's lock if the run that held it is dead."""
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


def refuse_damaged(every: Sequence[Job]) -> None:
    """Refuse to go on from artefacts whose bytes are not those that their provenance states.

    Files that the run makes anew, because settings or code have changed, do not count, nor do
    temporary ones that are gone.

    Raises:
        NsgfError: there are such files, or provenance that cannot be read; it names them.
    """
    digests = Digests()
    wrong = altered([path for job in every for path in job.artefacts], digests)
    digests.keep()
    anew: set[str] = set()
    for job in in_order(every) if wrong else ():
        if not anew.isdisjoint(job.inputs) or any(map(_is_stale, job.tasks)):
            anew.update(job.outputs)
    if wrong := [path for path in wrong if path not in anew]:
        raise damaged(wrong)


def forget_outdated(every: Sequence[Job], layout: Layout) -> None:
    """Remove restored files that settings or code of now would not make.

    Snakemake has made none of them, and knows nothing of what they were made with.
    """
    if not Path(layout.restored).exists():
        return
    kept, now = read_json(Path(layout.restored))["recipes"], recipes(every)
    for path in (p for p, recipe in kept.items() if now.get(p, recipe) != recipe):
        for file in (Path(path), sidecar(path)):
            file.unlink(missing_ok=True)


def _is_stale(task: Task) -> bool:
    """Whether what lies there was made by another recipe."""
    accounts = [read_json(p) for p in map(sidecar, task.artefacts) if p.is_file()]
    wanted = [task.stage, task.config, task.code]
    return any([made.get(k) for k in ("stage", "config", "code")] != wanted for made in accounts)


def warn_of_scarcity(planned: Sequence[JobForecast]) -> None:
    """A line where a job needs more memory, or all need more disk, than this machine has.

    A forecast may be wrong, and another's files may go: the run goes on.
    """
    memory, free = psutil.virtual_memory().total, shutil.disk_usage(".").free
    most = max(planned, key=lambda p: p.memory_mb)
    if 1e6 * most.memory_mb > memory:
        needs = f"{size(1e6 * most.memory_mb)} of memory, and this machine has {size(memory)}"
        print(f"Warning: job {most.job.name} needs about {needs}: take smaller batches", flush=True)
    asking = max(planned, key=lambda p: p.job.resources.mem_mb)
    if 1e6 * (asked := asking.job.resources.mem_mb) > memory:
        job = f"studies.{asking.job.study}: a job of stage {asking.job.stage}"
        print(
            f"Warning: {job} asks for {asked} MB (resources, mem_mb) of {size(memory)}: it runs"
            " alone",
            flush=True,
        )
    if (wanted := sum(p.disk_bytes for p in planned)) > free:
        needs = f"{size(wanted)} of disk, and {size(free)} are free here"
        print(f"Warning: the run needs about {needs}: free some, or run ONLY a study", flush=True)


def holes(every: Sequence[Job]) -> list[str]:
    """Missing outputs of jobs from which another job's finished outputs were made."""
    used = {p for job in every if all(Path(o).exists() for o in job.kept) for p in job.inputs}
    made_from = [job for job in every if used & set(job.outputs)]
    return [p for job in made_from for p in job.kept if not Path(p).exists()]

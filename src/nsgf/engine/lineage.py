"""What lies before a job: the order of the DAG, what a run needs, and recipes."""

import re
from collections.abc import Iterable, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

from nsgf.artifact import sha256_file, sha256_json
from nsgf.engine.task import Job, with_sidecars

WRITTEN = re.compile(r"results/[^/]+/(config|timings)/")  # settings again, or seconds


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """Jobs, each behind those whose files it reads."""
    named = {job.name: job for job in jobs}
    maker = {path: job.name for job in named.values() for path in job.outputs}
    before = {j.name: [maker[p] for p in j.inputs if p in maker] for j in named.values()}
    return [named[name] for name in TopologicalSorter(before).static_order()]


def needed(jobs: Iterable[Job], wanted: Iterable[str]) -> list[Job]:
    """Jobs that make the files `wanted`, and all that lie before them."""
    files, found = set(wanted), []
    for job in reversed(in_order(jobs)):
        if not files.isdisjoint(job.outputs):
            files.update(job.inputs)
            found.append(job)
    return found[::-1]


def unfinished(jobs: Iterable[Job], wanted: Iterable[str]) -> list[Job]:
    """Jobs that must run for the files `wanted` to be there; what lies behind a file that is there
    need not be."""
    files, found = set(wanted), []
    for job in reversed(in_order(jobs)):
        if not all(Path(p).exists() for p in files.intersection(job.outputs)):
            files.update(job.inputs)
            found.append(job)
    return found[::-1]


def recipes(jobs: Sequence[Job]) -> dict[str, str]:
    """Recipe of every artefact and of its provenance.

    It is a digest of its task, of all tasks before it and of the files that they were given: two
    artefacts of one recipe are made by the same commands, settings and code from the same data.
    """
    found: dict[str, str] = {}
    for task in (task for job in in_order(jobs) for task in job.tasks):
        mine = [task.stage, task.command, task.code, task.config]
        made = sorted({found[p] for p in task.reads if p in found})
        given = [p for p in sorted(task.reads) if p not in found and not WRITTEN.match(p)]
        digest = sha256_json([mine, made, [sha256_file(Path(p)) for p in given]])
        found |= dict.fromkeys(with_sidecars(task.artefacts), digest)
    return {path: digest[:16] for path, digest in found.items()}

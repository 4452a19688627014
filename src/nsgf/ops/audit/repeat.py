"""Run jobs once more on their recorded inputs, in a folder that holds nothing else."""

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from nsgf import numerics
from nsgf.artifact import read_json, sha256_file, sidecar
from nsgf.engine.store import ENVIRONMENT as STORE
from nsgf.engine.task import with_sidecars
from nsgf.ops import timing
from nsgf.ops.audit import tolerance
from nsgf.ops.audit.checks import ASKING, Finding, Run
from nsgf.ops.audit.expected import Expected
from nsgf.progress import bar

JUDGING = ("table", "claims")  # seconds each: always repeated
# Float64 means and pictures of numbers that are there: the same bytes by whatever numerics.
EXACT = (*JUDGING, "figure")
# What numbers are measured by.
MEASURING = ("evaluate", "reference", "targets", "probe", "features")
TRAINED = ("train", "build-pool")  # which other numerics lead elsewhere
CHEAP = 60.0  # seconds of a job whose tasks may be repeated
NEVER = ("fetch", ASKING)  # they ask the network
AT_A_TIME = 4  # of 1 GB each


@dataclass(frozen=True)
class Repetition:
    """A task that was run again.

    Attributes:
        alike: whether its artefacts were made with the numerics that it has here, so that their
            bytes were compared; else their numbers were.
        found: what is wrong.
    """

    task: Expected
    alike: bool
    found: tuple[Finding, ...]


@dataclass(frozen=True)
class Choice:
    """What is to be repeated, and the jobs that would be if they were cheap and whole."""

    tasks: list[Expected]
    passed_over: list[str]


def chosen(run: Run, wrong: set[str], count: int, seed: int | None) -> Choice:
    """The judging tasks, those that measured or drew something of files that are not the recorded
    ones, and `count` cheap ones at random, of those whose files are all here.

    What is cheap the commit's record says, where it knows: the run itself may be hostile.

    Args:
        run: the run.
        wrong: artefacts that have a finding already; their tasks are left out.
        count: how many more.
        seed: of the draw; None draws from the operating system, so that nobody can foresee it.
    """
    sound = [t for t in run.expected if wrong.isdisjoint(t.artefacts)]
    whole = [t for t in sound if all(map(os.path.isfile, (*t.reads, *t.artefacts)))]
    moved = [t for t in sound if not run.moved.isdisjoint((*t.artefacts, *t.reads))]
    due = [t for t in moved if t.stage in (*EXACT, *MEASURING)]
    seconds = {t.job: _seconds(run, t.job) for t in whole}
    slow = [t for t in whole if (seconds[t.job] or 0) > CHEAP]
    always = [t for t in whole if t.stage in JUDGING or (t in due and t not in slow)]
    known = [t for t in whole if seconds[t.job] is not None and t not in slow]
    others = [t for t in known if t not in always and t.stage not in NEVER]
    others = [t for t in others if t.stage not in TRAINED or _is_of_here(run, t)]
    draw = random.Random(seed) if seed is not None else random.SystemRandom()
    drawn = draw.sample(others, min(count, len(others)))
    passed_over = dict.fromkeys(t.job for t in due if t not in always)
    return Choice([*always, *drawn], [*passed_over])


def _seconds(run: Run, job: str) -> float | None:
    recorded = run.record.read(f"timings/{job}.tsv")
    known = timing.parsed(recorded.decode()) if recorded else timing.timing(run.name, job)
    return known and known.seconds


def _is_of_here(run: Run, task: Expected) -> bool:
    return all(is_of_here(run.numerics(path)) for path in task.artefacts)


def is_of_here(key: Mapping | None) -> bool:
    """Whether a process of this machine can have the numerics `key`, as far as can be said."""
    known = numerics.kind((key or {}).get("mode"))
    return bool(key) and all(key.get(name) == value for name, value in known.items())


def repeat(run: Run, work: Sequence[Expected]) -> list[Repetition]:
    """Run each task and compare its artefacts with those of the run."""
    found, workers = [], min(AT_A_TIME, os.cpu_count())
    with ThreadPoolExecutor(workers) as pool, bar(len(work), "repeat") as progress:
        for one in pool.map(lambda task: _repeat(run, task), work):
            found.append(one)
            progress.update()
    return found


def _repeat(run: Run, task: Expected) -> Repetition:
    environment = {k: v for k, v in os.environ.items() if k != STORE}  # nothing is taken from there
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        snapshot = run.snapshot
        for path in filter(os.path.isfile, (*with_sidecars(task.reads), snapshot)):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(Path(path).resolve())
        result = subprocess.run(
            [sys.executable, "-m", "nsgf.cli", "make", task.artefacts[0], "--preset", snapshot],
            cwd=folder,
            env=environment | {"NSGF_STATE": str(folder / "state")},
            capture_output=True,
            text=True,
        )
        if result.returncode:
            said = (result.stderr.strip().splitlines() or ["it ended without a word"])[0]
            failed = Finding("not repeated", task.artefacts[0], f"job {task.job} failed: {said}")
            return Repetition(task, False, (failed,))
        body = read_json(sidecar(folder / task.artefacts[0]))
        alike = body["numerics"] == run.numerics(task.artefacts[0])
        found = (_difference(task, path, folder / path, alike) for path in task.artefacts)
        return Repetition(task, alike, tuple(filter(None, found)))


def _difference(task: Expected, path: str, made: Path, alike: bool) -> Finding | None:
    if sha256_file(made) == sha256_file(Path(path)):
        return None
    if alike or task.stage in EXACT:
        return Finding("not repeated", path, f"job {task.job} made other bytes this time")
    if not tolerance.agree(made, Path(path), tolerance.absolute(task.stage)):
        return Finding("not repeated", path, f"job {task.job} made other numbers this time")
    return None

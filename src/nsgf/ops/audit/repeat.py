"""Run jobs once more on their recorded inputs, in a folder that holds nothing else."""

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from nsgf.artifact import sha256_file
from nsgf.engine.store import ENVIRONMENT as STORE
from nsgf.engine.task import with_sidecars
from nsgf.layout import Layout
from nsgf.ops.audit.checks import Finding, Run
from nsgf.ops.audit.expected import Expected
from nsgf.ops.timing import timing
from nsgf.progress import bar

JUDGING = ("table", "claims")  # seconds each: always repeated
CHEAP = 60.0  # seconds of a job whose tasks may be drawn
NEVER = ("fetch", "fetch-inception")  # they ask the network


def chosen(run: Run, wrong: set[str], count: int, seed: int | None) -> list[Expected]:
    """The judging jobs, and `count` cheap ones at random, of those whose files are all here.

    Args:
        run: the run.
        wrong: artefacts that have a finding already; their jobs are left out.
        count: how many more.
        seed: of the draw; None draws from the operating system, so that nobody can foresee it.
    """
    sound = (j for j in run.expected if wrong.isdisjoint(j.artefacts))
    whole = [j for j in sound if all(map(os.path.isfile, (*j.reads, *j.artefacts)))]
    judging = [j for j in whole if j.stage in JUDGING]
    others = [j for j in whole if j.stage not in (*JUDGING, *NEVER)]
    cheap = [j for j in others if (t := timing(run.name, j.job)) and t.seconds <= CHEAP]
    draw = random.Random(seed) if seed is not None else random.SystemRandom()
    return judging + draw.sample(cheap, min(count, len(cheap)))


def compare(name: str, work: Sequence[Expected]) -> Iterator[Finding]:
    """Run each task of preset `name` and compare its artefacts with those of the run."""
    with bar(len(work), "repeat") as progress:
        for job in work:
            yield from _repeat(name, job)
            progress.update()


def _repeat(name: str, job: Expected) -> Iterator[Finding]:
    environment = {k: v for k, v in os.environ.items() if k != STORE}  # nothing is taken from there
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        snapshot = Layout(f"results/{name}").preset
        for path in filter(os.path.isfile, (*with_sidecars(job.reads), snapshot)):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(Path(path).resolve())
        result = subprocess.run(
            [sys.executable, "-m", "nsgf.cli", "make", job.artefacts[0], "--preset", snapshot],
            cwd=folder,
            env=environment | {"NSGF_STATE": str(folder / "state")},
            capture_output=True,
            text=True,
        )
        if result.returncode:
            said = (result.stderr.strip().splitlines() or ["it ended without a word"])[0]
            yield Finding("not repeated", job.artefacts[0], f"job {job.job} failed: {said}")
            return
        for path in job.artefacts:
            made = folder / path
            if not made.is_file() or sha256_file(made) != sha256_file(Path(path)):
                yield Finding("not repeated", path, f"job {job.job} made other bytes this time")

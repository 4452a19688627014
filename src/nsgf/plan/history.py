"""What jobs of earlier runs in this folder took, each with the work that it did.

A benchmark file says how long a job took, not what it did. That stands in the sidecar of what the
job made: where the settings recorded there are not those of results/<preset>/config, where the job
had been resumed, or where another machine made it, the figure is left out.
"""

import csv
import os
import platform
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nsgf.artifact import read_json, sidecar
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.errors import NsgfError
from nsgf.jobs import Job, jobs
from nsgf.layout import Layout
from nsgf.plan.work import Work, work_of


@dataclass(frozen=True)
class Measured:
    """A job of an earlier run."""

    stage: str
    work: Work
    seconds: float
    memory_mb: float  # 0 where the job was too short to be measured


def benchmark(path: Path) -> tuple[float, float] | None:
    """Seconds and peak memory in MB of a benchmark file; None where it is absent or cut off."""
    try:
        with path.open() as handle:
            row = next(csv.DictReader(handle, delimiter="\t"))
        memory = row["max_rss"]
        return float(row["s"]), 0.0 if memory in ("-", "NA") else float(memory)
    except (OSError, StopIteration, KeyError, TypeError, ValueError):
        return None


def history(results: Path = Path("results")) -> list[Measured]:
    """Measured jobs of every preset that has run in this folder."""
    found = []
    for whole in sorted(results.glob("*/config/preset.json")):
        try:
            preset = load(whole, Preset)
        except NsgfError:  # written by other code: nothing to go by
            continue
        found += _measured(preset)
    return found


def _measured(preset: Preset) -> Iterator[Measured]:
    layout = Layout(f"results/{preset.name}")
    for job in jobs(preset):
        taken, work = benchmark(Path(layout.timing(job.name))), work_of(job, preset)
        if taken and _fits(job, work):
            yield Measured(job.stage, work, *taken)


def _fits(job: Job, work: Work) -> bool:
    """Whether what `job` would do is what the run did, here and in one go."""
    beside = sidecar(job.outputs[0])
    try:
        body = read_json(beside)
        facts, machine = body["facts"], body["machine"]
        return (
            body["command"] == shlex.join(["nsgf", job.stage, *shlex.split(job.arguments)])
            and (work.kind == "" or body["config"] == job.config[1].model_dump(mode="json"))
            and not facts.get("resumed_at")
            and facts.get("device", work.device).startswith(work.device)
            and (machine["cores"], machine["arch"]) == (os.cpu_count(), platform.machine())
        )
    except (NsgfError, KeyError):  # absent, damaged, or of another form: nothing to go by
        return False

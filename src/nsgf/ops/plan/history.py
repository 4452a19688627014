"""What jobs of earlier runs in this folder took, each with the work that it did.

A benchmark file says how long a job took, not what it did. That stands in the sidecar of what the
job made: where the settings or units recorded there are not those of the preset, where the job
had been resumed, or where another machine made it, the figure is left out.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nsgf.artifact import read_json, sidecar
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.provenance import machine
from nsgf.engine.task import Job
from nsgf.errors import NsgfError
from nsgf.layout import Layout
from nsgf.ops.plan.work import Work, work_of


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
    layout, plan = Layout(f"results/{preset.name}"), _plan(preset)
    for job in jobs(preset):
        taken, work = benchmark(Path(layout.timing(job.name))), work_of(job, preset)
        if taken and _fits(job, work, plan.get(job.name, {}).get("units", len(job.tasks))):
            yield Measured(job.stage, work, *taken)


def _plan(preset: Preset) -> dict:
    """Jobs as the run was going to have them; nothing where it kept no forecast."""
    path = Path(Layout(f"results/{preset.name}").root) / "timings/plan.json"
    return read_json(path)["jobs"] if path.exists() else {}


def _fits(job: Job, work: Work, units: int) -> bool:
    """Whether what `job` would do is what the run did, here and in one go.

    Args:
        job, work: as the preset has them now. units: how many the run's job of this name had.
    """
    try:
        bodies = [read_json(sidecar(task.artefacts[0])) for task in job.tasks]
        return units == len(job.tasks) and all(
            body["config"] == task.config
            and body["unit"] == task.unit
            and not body["facts"].get("resumed_at")
            and body["facts"].get("device", work.device).startswith(work.device)
            and all(body["machine"].get(k) == v for k, v in machine().items() if k != "gpu")
            for body, task in zip(bodies, job.tasks, strict=True)
        )
    except (NsgfError, KeyError):  # absent, damaged, or of another form: nothing to go by
        return False

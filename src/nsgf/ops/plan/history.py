"""What jobs of earlier runs in this folder took, each with the work that it did.

A benchmark file says how long a job took, not what it did. That stands in the sidecar of what the
job made: where the settings or units recorded there are not those of the preset, where the job
had been resumed, or where another machine made it, the figure is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nsgf.artifact import read_json, sidecar
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.make import TAKEN
from nsgf.engine.provenance import machine
from nsgf.engine.task import Job
from nsgf.errors import NsgfError
from nsgf.layout import Layout
from nsgf.ops.plan.work import Work, work_of
from nsgf.ops.timing import timing


@dataclass(frozen=True)
class Measured:
    """A job of an earlier run."""

    work: Work
    seconds: float
    memory_mb: float  # 0 where the job was too short to be measured


def history(results: Path = Path("results")) -> list[Measured]:
    """Measured jobs of every preset that has run in this folder."""
    found = []
    for whole in sorted(results.glob("*/config/preset*.json")):
        try:
            preset = load(whole, Preset)
        except NsgfError:  # written by other code: nothing to go by
            continue
        found += measured_jobs(preset)
    return found


def measured_jobs(preset: Preset) -> Iterator[Measured]:
    """Jobs of `preset` whose times say what its work takes on this machine."""
    plan = (stored(preset) or {"jobs": {}})["jobs"]
    for job in jobs(preset):
        taken, work = timing(preset.name, job.name), work_of(job, preset)
        log = Path(f"logs/{preset.name}/{job.name}.log")
        if log.exists() and TAKEN in log.read_text(errors="replace"):
            continue  # its time is that of a copy
        if taken and _fits(job, work, plan.get(job.name, {}).get("units", len(job.tasks))):
            yield Measured(work, taken.seconds, taken.peak_mb or 0.0)


def plan_file(preset: Preset) -> Path:
    """Where the forecast of a run lies, kept beside what it then took."""
    return Path(Layout(f"results/{preset.name}").root) / "timings/plan.json"


def stored(preset: Preset) -> dict | None:
    """The forecast that a run began with, None if it kept none.

    Raises:
        NsgfError: the file is damaged.
    """
    path = plan_file(preset)
    return read_json(path) if path.exists() else None


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

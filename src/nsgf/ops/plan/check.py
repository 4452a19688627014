"""A forecast beside what happened: per stage and in total, as the ratio forecast / measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nsgf.artifact import read_json
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.task import Job
from nsgf.errors import NsgfError
from nsgf.layout import Layout
from nsgf.ops.plan.forecast import forecast
from nsgf.ops.plan.history import benchmark
from nsgf.ops.plan.reference import figures
from nsgf.ops.plan.schedule import Limits, simulate, tasks
from nsgf.ops.plan.store import described, plan_file, stored
from nsgf.ops.plan.total import limits_of

OWN = "the forecast that the run began with"
SHIPPED = "the shipped reference alone: the run kept no forecast"


@dataclass(frozen=True)
class Compared:
    """One quantity; `unit` is s, MB or bytes."""

    what: str
    jobs: int
    unit: str
    forecast: float
    measured: float

    @property
    def ratio(self) -> float | None:
        """forecast / measured, None where nothing was measured."""
        return self.forecast / self.measured if self.measured else None


def compare(preset: Preset) -> tuple[str, list[Compared]]:
    """What the forecast rests on, and all comparisons over jobs that ran since it was made.

    Raises:
        NsgfError: no job has run since.
    """
    path, plan, origin = plan_file(preset), stored(preset), OWN
    since = path.stat().st_mtime if plan else 0.0
    if plan is None:
        plan, origin = described(forecast(preset), limits_of(None, None), preset), SHIPPED
    layout = Layout(f"results/{preset.name}")
    ran = []
    for job in jobs(preset):
        timing = Path(layout.timing(job.name))
        taken = benchmark(timing)
        if taken and job.name in plan["jobs"] and timing.stat().st_mtime >= since:
            ran.append((job, *taken))
    if not ran:
        raise NsgfError(
            f"no job of preset {preset.name} has run since its forecast",
            f"run make reproduce PRESET={preset.name}, then check again",
        )
    stages = list(dict.fromkeys(job.stage for job, *_ in ran))
    found = [_times(stage, [r for r in ran if r[0].stage == stage], plan) for stage in stages]
    found.append(_times("all jobs", ran, plan))
    return origin, [*found, *_together(ran, plan, Path(layout.root), since), _disk(ran, plan)]


Ran = tuple[Job, float, float]  # job, seconds, peak memory in MB


def _times(what: str, ran: Sequence[Ran], plan: dict) -> Compared:
    expected = sum(plan["jobs"][job.name]["seconds"] for job, *_ in ran)
    return Compared(what, len(ran), "s", expected, sum(seconds for _, seconds, _ in ran))


def _together(ran: Sequence[Ran], plan: dict, root: Path, since: float) -> list[Compared]:
    """Wall time and peak memory of the run, if it came to its end."""
    report = root / "timings/run.json"
    if not report.exists() or report.stat().st_mtime < since:
        return []
    cost, known, rates = read_json(report), plan["jobs"], figures()
    limits = Limits(plan["cores"], jobs=plan["cluster_jobs"])
    timed = [(j, known[j.name]["seconds"], known[j.name]["memory_mb"]) for j, *_ in ran]
    wall, memory = simulate(tasks(timed, limits, rates), limits)
    wall, memory = wall + rates.workflow["start_s"], memory + rates.workflow["memory_mb"]
    return [
        Compared("wall", len(ran), "s", wall, cost["wall_s"]),
        Compared("peak memory", len(ran), "MB", memory, cost["peak_rss_mb"]),
    ]


def _disk(ran: Sequence[Ran], plan: dict) -> Compared:
    kept = [job for job, *_ in ran if all(Path(path).exists() for path in job.kept)]
    taken = sum(_blocks(Path(path)) for job in kept for path in job.kept)
    expected = sum(plan["jobs"][job.name]["disk_bytes"] for job in kept)
    return Compared("disk", len(kept), "bytes", expected, taken)


def _blocks(path: Path) -> int:
    """Bytes that a file takes on its disk."""
    return path.stat().st_blocks * 512

"""A forecast beside what happened: per stage and in total, as the ratio forecast / measured."""

from collections.abc import Sequence
from pathlib import Path

from nsgf.artifact import read_json
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.task import Job
from nsgf.errors import NsgfError
from nsgf.ops.plan.forecast import forecast
from nsgf.ops.plan.history import plan_file, stored
from nsgf.ops.plan.schedule import Limits, whole_run
from nsgf.ops.plan.total import described, limits_of
from nsgf.ops.timing import Timing, timing

OWN = "the forecast that the run began with"
SHIPPED = "the shipped reference alone: the run kept no forecast"
Ran = Sequence[tuple[Job, Timing]]


def compare(preset: Preset) -> tuple[str, list[dict]]:
    """What the forecast rests on, and all comparisons over jobs that ran since it was made.

    Each is of one quantity, `what`, over so many `jobs`; its `unit` is s, MB or bytes, and its
    `ratio` is None where nothing was measured.

    Raises:
        NsgfError: no job has run since.
    """
    path, plan, origin = plan_file(preset), stored(preset), OWN
    since = path.stat().st_mtime if plan else 0.0
    if plan is None:
        plan, origin = described(forecast(preset), limits_of(None, None), preset), SHIPPED
    known = [(job, timing(preset.name, job.name)) for job in jobs(preset)]
    ran = [(j, t) for j, t in known if t and j.name in plan["jobs"] and t.end >= since]
    if not ran:
        raise NsgfError(
            f"no job of preset {preset.name} has run since its forecast",
            f"run make reproduce PRESET={preset.name}, then check again",
        )
    groups: dict[str, Ran] = {job.stage: [] for job, _ in ran}
    for job, taken in ran:
        groups[job.stage].append((job, taken))
    found = [_times(what, some, plan) for what, some in (*groups.items(), ("all jobs", ran))]
    report = path.with_name("run.json")
    if report.exists() and report.stat().st_mtime >= since:  # it came to its end
        found += _together(ran, plan, read_json(report))
    return origin, [*found, _disk(ran, plan)]


def _compared(what: str, jobs: int, unit: str, forecast: float, measured: float) -> dict:
    ratio = {"ratio": forecast / measured if measured else None}
    return dict(what=what, jobs=jobs, unit=unit, forecast=forecast, measured=measured) | ratio


def _times(what: str, ran: Ran, plan: dict) -> dict:
    expected = sum(plan["jobs"][job.name]["seconds"] for job, _ in ran)
    return _compared(what, len(ran), "s", expected, sum(taken.seconds for _, taken in ran))


def _together(ran: Ran, plan: dict, cost: dict) -> list[dict]:
    """Wall time and peak memory of the run."""
    known = plan["jobs"]
    timed = [(j, known[j.name]["seconds"], known[j.name]["memory_mb"]) for j, _ in ran]
    wall, memory = whole_run(timed, Limits(plan["cores"], jobs=plan["cluster_jobs"]))
    return [
        _compared("wall", len(ran), "s", wall, cost["wall_s"]),
        _compared("peak memory", len(ran), "MB", memory, cost["peak_rss_mb"]),
    ]


def _disk(ran: Ran, plan: dict) -> dict:
    """Bytes that files take on their disk."""
    kept = [job for job, _ in ran if all(Path(path).exists() for path in job.kept)]
    taken = sum(512 * Path(path).stat().st_blocks for job in kept for path in job.kept)
    expected = sum(plan["jobs"][job.name]["disk_bytes"] for job in kept)
    return _compared("disk", len(kept), "bytes", expected, taken)

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
from nsgf.ops.plan.schedule import Limits, limits_of, whole_run
from nsgf.ops.plan.total import described
from nsgf.ops.text import columns, duration, size
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
    found = [
        _compared(what, some, "s", _sum(some, plan, "seconds"), sum(t.seconds for _, t in some))
        for what, some in (*groups.items(), ("all jobs", ran))
    ]
    report = path.with_name("run.json")
    if report.exists() and report.stat().st_mtime >= since:  # it came to its end
        found += _together(ran, plan, read_json(report))
    kept = [(job, taken) for job, taken in ran if all(Path(p).exists() for p in job.kept)]
    on_disk = sum(512 * Path(p).stat().st_blocks for job, _ in kept for p in job.kept)
    return origin, [
        *found,
        _compared("disk", kept, "bytes", _sum(kept, plan, "disk_bytes"), on_disk),
    ]


def _compared(what: str, ran: Ran, unit: str, forecast: float, measured: float) -> dict:
    return {
        "what": what,
        "jobs": len(ran),
        "unit": unit,
        "forecast": forecast,
        "measured": measured,
        "ratio": forecast / measured if measured else None,
    }


def _sum(ran: Ran, plan: dict, quantity: str) -> float:
    return sum(plan["jobs"][job.name][quantity] for job, _ in ran)


def _together(ran: Ran, plan: dict, cost: dict) -> list[dict]:
    """Wall time and peak memory of the run."""
    known = plan["jobs"]
    timed = [(j, known[j.name]["seconds"], known[j.name]["memory_mb"]) for j, _ in ran]
    wall, memory = whole_run(timed, Limits(plan["cores"], jobs=plan["cluster_jobs"]))
    return [
        _compared("wall", ran, "s", wall, cost["wall_s"]),
        _compared("peak memory", ran, "MB", memory, cost["peak_rss_mb"]),
    ]


def text(name: str, origin: str, found: Sequence[dict]) -> str:
    """The comparisons as a table for people."""
    rows = [("", "jobs", "forecast", "measured", "ratio"), *map(_row, found)]
    return f"{name}: forecast / measured, from {origin}\n{columns(rows, right=range(1, 5))}"


def _row(found: dict) -> tuple[str, ...]:
    scale = {"MB": 1e6, "bytes": 1}.get(found["unit"])
    told = [found["forecast"], found["measured"]]
    values = [duration(v) if scale is None else size(v * scale) for v in told]
    ratio = "-" if found["ratio"] is None else f"{found['ratio']:.2f}"
    return found["what"], str(found["jobs"]), *values, ratio

"""The sum of a preset's forecasts, as JSON that a run keeps and as a table for people."""

from collections.abc import Sequence
from dataclasses import replace

from nsgf.artifact import write_json
from nsgf.config.preset import Preset
from nsgf.ops.plan.forecast import (
    CALIBRATED,
    NO_MODEL,
    SCALED,
    SHIPPED,
    SOURCES,
    JobForecast,
    any_forecast,
)
from nsgf.ops.plan.history import plan_file
from nsgf.ops.plan.reference import reference
from nsgf.ops.plan.schedule import Limits, limits_of, local_gpus, whole_run
from nsgf.ops.text import columns, duration, size

FAR = 3  # times the longest measured job: beyond, the table says that it extrapolates
HEADER = ("study", "stage", "jobs", "CPU time", "GPU time", "memory", "disk", "source")


def store(preset: Preset, cores: int | None, cluster_jobs: int | None) -> None:
    """Keep what is forecast now, before any job of the run has taken its time.

    Args:
        preset: what is about to run.
        cores: of this machine that jobs share, None for all.
        cluster_jobs: how many run at a time on a cluster; None: here.
    """
    limits = replace(limits_of(None, cores), jobs=cluster_jobs)
    planned = any_forecast(preset, cluster_jobs is None)
    write_json(plan_file(preset), described(planned, limits, preset))


def described(planned: Sequence[JobForecast], limits: Limits, preset: Preset) -> dict:
    """The forecast of every job and the total; seconds, MB and bytes."""
    return {
        "preset": preset.name,
        "cores": limits.cores,
        "cluster_jobs": limits.jobs,
        "jobs": {
            p.job.name: {
                "stage": p.job.stage,
                "study": p.job.study,
                "units": len(p.job.tasks),
                "device": p.device,
                "seconds": round(p.seconds, 2),
                "memory_mb": round(p.memory_mb),
                "disk_bytes": round(p.disk_bytes),
                "source": p.source,
            }
            for p in planned
        },
        "total": _total(planned, limits),
    }


def _total(planned: Sequence[JobForecast], limits: Limits) -> dict[str, float]:
    """Jobs together; `wall_s` and `memory_mb` (of what runs at once) include Snakemake itself."""
    wall, memory = whole_run([(p.job, p.seconds, p.memory_mb) for p in planned], limits)
    sums = {k: sum(getattr(p, k) for p in planned) for k in ("cpu_s", "gpu_s", "disk_bytes")}
    sums |= {"jobs": len(planned), "wall_s": wall, "memory_mb": memory}
    return {k: round(v, 1) for k, v in sums.items()}


def text(planned: Sequence[JobForecast], limits: Limits, preset: Preset) -> str:
    """Every stage of every study, the total, and what the figures rest on."""
    groups: dict[tuple[str, str], list[JobForecast]] = {}
    for p in planned:
        groups.setdefault((p.job.study or "all", p.job.stage), []).append(p)
    rows = [HEADER, *(_row(*key, group) for key, group in groups.items())]
    where = f"{limits.cores} cores" if limits.jobs is None else f"{limits.jobs} jobs at a time"
    sums = _total(planned, limits)
    cpu, gpu, wall = (duration(sums[k]) for k in ("cpu_s", "gpu_s", "wall_s"))
    memory, disk = size(sums["memory_mb"] * 1e6), size(sums["disk_bytes"])
    time = f"{cpu} of CPU and {gpu} of GPU time" if sums["gpu_s"] else f"{cpu} of CPU time"
    last = f"{sums['jobs']} jobs, {time}; {wall} on {where}"
    last += f", peak memory {memory}, disk {disk}"
    head = f"{preset.name}: {preset.only or 'the whole preset'}, from nothing"
    return "\n".join([head, columns(rows, right=range(2, 7)), last, *_notes(planned)])


def _row(study: str, stage: str, group: Sequence[JobForecast]) -> tuple[str, ...]:
    return (
        study,
        stage,
        str(len(group)),
        duration(sum(p.cpu_s for p in group)),
        duration(sum(p.gpu_s for p in group)),
        size(max(p.memory_mb for p in group) * 1e6),
        size(sum(p.disk_bytes for p in group)),
        ", ".join(s for s in SOURCES if any(p.source == s for p in group)),
    )


def _notes(planned: Sequence[JobForecast]) -> list[str]:
    shipped = {p.device for p in planned if p.source == SHIPPED}
    notes = [f"reference, {d}: {reference()['machines'][d]}" for d in sorted(shipped)]
    if any(p.source == CALIBRATED for p in planned):
        notes.append("calibrated: the reference's figures, by the speed of this machine")
    reach = max((p.reach for p in planned if p.source == SCALED), default=1.0)
    if reach > FAR:
        notes.append(f"scaled: an extrapolation, to {reach:.0f} times the longest job here")
    if any(p.source == NO_MODEL for p in planned):
        notes.append("no model: a guess of a few seconds, because nothing like it has run here")
    if any(p.device == "cuda" for p in planned):
        notes.append("memory is the machine's, not the GPU's")
        if not local_gpus():
            notes.append("GPU time is for a GPU: this machine has none, and would take far longer")
    return notes

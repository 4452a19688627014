"""A forecast as a table for people."""

from collections.abc import Sequence

from nsgf.config.preset import Preset
from nsgf.ops.plan.forecast import NO_MODEL, SCALED, SHIPPED, SOURCES, JobForecast
from nsgf.ops.plan.reference import figures
from nsgf.ops.plan.schedule import Limits
from nsgf.ops.plan.total import local_gpus, total
from nsgf.ops.text import columns, duration, size

FAR = 3  # times the longest measured job: beyond, the table says that it extrapolates
HEADER = ("study", "stage", "jobs", "CPU time", "GPU time", "memory", "disk", "source")


def table(preset: Preset, planned: Sequence[JobForecast], limits: Limits) -> str:
    """Every stage of every study, the total, and what the figures rest on."""
    groups: dict[tuple[str, str], list[JobForecast]] = {}
    for p in planned:
        groups.setdefault((p.job.study or "all", p.job.stage), []).append(p)
    rows = [HEADER, *(_row(*key, group) for key, group in groups.items())]
    where = f"{limits.cores} cores" if limits.jobs is None else f"{limits.jobs} jobs at a time"
    sums = total(planned, limits)
    cpu, gpu, wall = (duration(sums[k]) for k in ("cpu_s", "gpu_s", "wall_s"))
    memory, disk = size(sums["memory_mb"] * 1e6), size(sums["disk_bytes"])
    last = f"{sums['jobs']} jobs, {cpu} of CPU and {gpu} of GPU time; {wall} on {where}"
    last += f", peak memory {memory}, disk {disk}"
    shown = columns(rows, right=range(2, 7))
    head = f"{preset.name}: the whole preset, from nothing"
    return "\n".join([head, shown, last, *_notes(planned)])


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
    notes = [f"reference, {d}: {figures().machines[d]}" for d in sorted(shipped)]
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

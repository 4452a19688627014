"""A forecast as a table for people."""

from collections.abc import Iterable, Sequence

from nsgf.config.preset import Preset
from nsgf.ops.plan.forecast import NO_MODEL, SCALED, SHIPPED, SOURCES, JobForecast
from nsgf.ops.plan.reference import figures
from nsgf.ops.plan.schedule import Limits
from nsgf.ops.plan.total import Total, local_gpus

FAR = 3  # times the longest measured job: beyond, the table says that it extrapolates
HEADER = ("study", "stage", "jobs", "CPU time", "GPU time", "memory", "disk", "source")


def table(preset: Preset, planned: Sequence[JobForecast], limits: Limits, sums: Total) -> str:
    """Every stage of every study, the total, and what the figures rest on."""
    groups: dict[tuple[str, str], list[JobForecast]] = {}
    for p in planned:
        groups.setdefault((p.job.study or "all", p.job.stage), []).append(p)
    rows = [HEADER, *(_row(*key, group) for key, group in groups.items())]
    where = f"{limits.cores} cores" if limits.jobs is None else f"{limits.jobs} jobs at a time"
    last = (
        f"{sums.jobs} jobs, {duration(sums.cpu_s)} of CPU and {duration(sums.gpu_s)} of GPU time;"
        f" {duration(sums.wall_s)} on {where}, peak memory"
        f" {size(sums.memory_mb * 1e6)}, disk {size(sums.disk_bytes)}"
    )
    return "\n".join(
        [f"{preset.name}: the whole preset, from nothing", *columns(rows), last, *_notes(planned)]
    )


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


def columns(rows: Sequence[Sequence[str]], left: Iterable[int] = (0, 1, 7)) -> list[str]:
    """Lines of aligned columns; those at the indices `left` start at the left."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    sides = ["<" if k in tuple(left) else ">" for k in range(len(widths))]
    return [
        "  ".join(f"{c:{s}{w}}" for c, s, w in zip(r, sides, widths, strict=True)).rstrip()
        for r in rows
    ]


def duration(seconds: float) -> str:
    """Seconds in the unit that fits."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds else "-"


def size(count: float) -> str:
    """Bytes in the unit that fits."""
    for unit, length in (("GB", 1e9), ("MB", 1e6)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"

"""The forecast that a run starts with, kept beside what it then takes."""

from dataclasses import replace
from pathlib import Path

from nsgf.artifact import read_json, write_json
from nsgf.config.preset import Preset
from nsgf.layout import Layout
from nsgf.ops.plan.forecast import JobForecast, forecast
from nsgf.ops.plan.history import history
from nsgf.ops.plan.schedule import Limits
from nsgf.ops.plan.total import limits_of, total


def plan_file(preset: Preset) -> Path:
    """Where the forecast of a run lies."""
    return Path(Layout(f"results/{preset.name}").root) / "timings/plan.json"


def store(preset: Preset, cores: int | None, cluster_jobs: int | None) -> None:
    """Keep what is forecast now, before any job of the run has taken its time.

    Args:
        preset: what is about to run.
        cores: of this machine that jobs share, None for all.
        cluster_jobs: how many run at a time on a cluster; None: here.
    """
    limits = replace(limits_of(None, cores), jobs=cluster_jobs)
    write_json(plan_file(preset), described(forecast(preset, history()), limits, preset))


def described(planned: list[JobForecast], limits: Limits, preset: Preset) -> dict:
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
        "total": total(planned, limits).as_dict(),
    }


def stored(preset: Preset) -> dict | None:
    """What `store` kept, None if there is nothing.

    Raises:
        NsgfError: the file is damaged.
    """
    path = plan_file(preset)
    return read_json(path) if path.exists() else None

"""The sum of a preset's forecasts, how long they take together, and what a run keeps of it."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from nsgf.artifact import write_json
from nsgf.config.base import read_yaml
from nsgf.config.preset import Preset
from nsgf.errors import NsgfError
from nsgf.ops.plan.forecast import JobForecast, forecast
from nsgf.ops.plan.history import history, plan_file
from nsgf.ops.plan.schedule import Limits, whole_run
from nsgf.registry import lookup


def store(preset: Preset, cores: int | None, cluster_jobs: int | None) -> None:
    """Keep what is forecast now, before any job of the run has taken its time.

    Args:
        preset: what is about to run.
        cores: of this machine that jobs share, None for all.
        cluster_jobs: how many run at a time on a cluster; None: here.
    """
    limits = replace(limits_of(None, cores), jobs=cluster_jobs)
    write_json(plan_file(preset), described(forecast(preset, history()), limits, preset))


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
        "total": total(planned, limits),
    }


def total(planned: Sequence[JobForecast], limits: Limits) -> dict[str, float]:
    """Jobs together; `wall_s` and `memory_mb` (of what runs at once) include Snakemake itself."""
    wall, memory = whole_run([(p.job, p.seconds, p.memory_mb) for p in planned], limits)
    sums = {k: sum(getattr(p, k) for p in planned) for k in ("cpu_s", "gpu_s", "disk_bytes")}
    sums |= {"jobs": len(planned), "wall_s": wall, "memory_mb": memory}
    return {k: round(v, 1) for k, v in sums.items()}


def profile_folder(name: str) -> Path:
    """A folder in profiles/, or one by its path.

    Raises:
        NsgfError: there is none.
    """
    if (Path(name) / "config.yaml").exists():
        return Path(name)
    known = {p.parent.name: p.parent for p in Path("profiles").glob("*/config.yaml")}
    return lookup(known, name, "profile")


def limits_of(profile: str | None, cores: int | None) -> Limits:
    """What a run may use: this machine, or as many jobs at a time as a cluster's profile says.

    Raises:
        NsgfError: there is no such profile, or it does not limit its jobs.
    """
    cores = cores or os.cpu_count()
    if profile in (None, "default"):
        memory = 0.9 * psutil.virtual_memory().total / 1e6
        return Limits(cores, memory, max(1, local_gpus()))
    path = profile_folder(profile) / "config.yaml"
    jobs = (read_yaml(path) or {}).get("jobs")
    if not isinstance(jobs, int):
        raise NsgfError(f"{path} does not say how many jobs run at a time", "add a line `jobs: 50`")
    return Limits(cores, jobs=jobs)


def local_gpus() -> int:
    """NVIDIA GPUs of this machine, count."""
    program = shutil.which("nvidia-smi")
    listing = program and subprocess.run([program, "-L"], capture_output=True, text=True).stdout
    return listing.count("GPU ") if listing else 0

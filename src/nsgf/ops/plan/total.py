"""The sum of a preset's forecasts, and how long they take together."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from nsgf.config.base import read_yaml
from nsgf.errors import NsgfError
from nsgf.ops.plan.forecast import JobForecast
from nsgf.ops.plan.reference import figures
from nsgf.ops.plan.schedule import Limits, simulate, tasks


@dataclass(frozen=True)
class Total:
    """Jobs together; `wall_s` and `memory_mb` (of what runs at once) include Snakemake itself."""

    jobs: int
    cpu_s: float
    gpu_s: float
    wall_s: float
    memory_mb: float
    disk_bytes: float

    def as_dict(self) -> dict:
        """For JSON."""
        return {k: round(v, 1) for k, v in asdict(self).items()}


def total(planned: Sequence[JobForecast], limits: Limits) -> Total:
    """Add up `planned` and simulate their run under `limits`."""
    rates = figures()
    timed = [(p.job, p.seconds, p.memory_mb) for p in planned]
    wall, memory = simulate(tasks(timed, limits, rates), limits)
    return Total(
        jobs=len(planned),
        cpu_s=sum(p.cpu_s for p in planned),
        gpu_s=sum(p.gpu_s for p in planned),
        wall_s=wall + rates.workflow["start_s"],
        memory_mb=memory + rates.workflow["memory_mb"],
        disk_bytes=sum(p.disk_bytes for p in planned),
    )


def limits_of(profile: str | None, cores: int | None) -> Limits:
    """What a run may use: this machine, or as many jobs at a time as a cluster's profile says.

    Raises:
        NsgfError: there is no such profile, or it does not limit its jobs.
    """
    cores = cores or os.cpu_count()
    if profile in (None, "default"):
        memory = 0.9 * psutil.virtual_memory().total / 1e6
        return Limits(cores, memory, max(1, local_gpus()))
    path = Path(f"profiles/{profile}/config.yaml")
    if not path.exists():
        known = ", ".join(sorted(p.parent.name for p in Path("profiles").glob("*/config.yaml")))
        raise NsgfError(f"there is no profile '{profile}' ({path})", f"known: {known or 'none'}")
    jobs = read_yaml(path).get("jobs")
    if not isinstance(jobs, int):
        raise NsgfError(f"{path} does not say how many jobs run at a time", "add a line `jobs: 50`")
    return Limits(cores, jobs=jobs)


def local_gpus() -> int:
    """NVIDIA GPUs of this machine, count."""
    program = shutil.which("nvidia-smi")
    listing = program and subprocess.run([program, "-L"], capture_output=True, text=True).stdout
    return listing.count("GPU ") if listing else 0

"""How long jobs take together: list scheduling under limits, as Snakemake does it."""

import heapq
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from nsgf.config.base import read_yaml
from nsgf.engine.task import Job
from nsgf.errors import NsgfError
from nsgf.ops.plan.reference import reference
from nsgf.registry import lookup


@dataclass(frozen=True)
class Task:
    """A job as the scheduler sees it; `demand` is what it takes of each limit while it runs."""

    name: str
    seconds: float
    after: frozenset[str] = frozenset()
    priority: int = 0
    demand: dict[str, float] = field(default_factory=dict)
    memory_mb: float = 0.0


@dataclass(frozen=True)
class Limits:
    """What jobs share. On a cluster `jobs` at a time, and local ones on `cores`."""

    cores: int
    mem_mb: float = float("inf")
    gpu: int = 1
    jobs: int | None = None  # None: no cluster

    def remote(self, job: Job) -> bool:
        """Whether the cluster runs it."""
        return self.jobs is not None and not job.local

    def demand(self, job: Job) -> dict[str, float]:
        """What `job` takes of them."""
        if self.remote(job):
            return {"jobs": 1}
        memory = {"mem_mb": job.resources.mem_mb, "gpu": job.resources.gpu}
        return {"cores": job.threads} | (memory if self.jobs is None else {})


Timed = Sequence[tuple[Job, float, float]]  # jobs, each with its seconds and memory in MB


def together(timed: Timed, limits: Limits) -> tuple[float, float]:
    """Seconds and peak memory in MB of jobs that wait for their inputs' makers.

    Starting a job and noticing its end take time too.
    """
    maker = {path: job.name for job, *_ in timed for path in job.outputs}
    overhead = reference()["workflow"]
    tasks = [
        Task(
            job.name,
            seconds + overhead["slurm_job_s" if limits.remote(job) else "job_s"],
            frozenset(maker[p] for p in job.inputs if p in maker),
            job.priority,
            limits.demand(job),
            memory,
        )
        for job, seconds, memory in timed
    ]
    return simulate(tasks, limits)


def whole_run(timed: Timed, limits: Limits) -> tuple[float, float]:
    """`together`, with Snakemake itself."""
    (wall, memory), own = together(timed, limits), reference()["workflow"]
    return wall + own["start_s"], memory + own["memory_mb"]


def simulate(waiting: Iterable[Task], limits: Limits) -> tuple[float, float]:
    """Run tasks in order of priority, each as soon as its inputs are there and it fits.

    A demand above the limit counts as the limit. Returns seconds until the last task ends, and the
    largest memory of tasks that run together, MB.
    """
    free = {"cores": limits.cores, "mem_mb": limits.mem_mb, "gpu": limits.gpu}
    free |= {"jobs": limits.jobs or 0}
    whole = dict(free)
    queue = sorted(waiting, key=lambda task: -task.priority)
    running, done, now, peak = [], set(), 0.0, 0.0
    while queue or running:
        for task in list(queue):
            need = {k: min(v, whole[k]) for k, v in task.demand.items()}
            if task.after <= done and all(free[k] >= v for k, v in need.items()):
                for k, v in need.items():
                    free[k] -= v
                heapq.heappush(running, (now + task.seconds, task.name, task.memory_mb, need))
                queue.remove(task)
        peak = max(peak, sum(memory for _, _, memory, _ in running))
        now, name, _, need = heapq.heappop(running)
        done.add(name)
        for k, v in need.items():
            free[k] += v
    return now, peak


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

"""How long jobs take together: list scheduling under limits, as Snakemake does it."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nsgf.engine.task import Job
from nsgf.ops.plan.reference import Figures


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

    def demand(self, job: Job) -> dict[str, float]:
        """What `job` takes of them."""
        if self.jobs is not None and not job.local:
            return {"jobs": 1}
        asked = job.resources
        if self.jobs is not None:
            return {"cores": job.threads}
        return {"cores": job.threads, "mem_mb": asked.mem_mb, "gpu": asked.gpu}

    def overhead(self, job: Job, rates: Figures) -> float:
        """Seconds that starting `job` and noticing its end take."""
        remote = self.jobs is not None and not job.local
        return rates.workflow["slurm_job_s" if remote else "job_s"]


def tasks(timed: Sequence[tuple[Job, float, float]], limits: Limits, rates: Figures) -> list[Task]:
    """Jobs, each with its seconds and memory in MB, as tasks that wait for their inputs' makers."""
    maker = {path: job.name for job, *_ in timed for path in job.outputs}
    return [
        Task(
            job.name,
            seconds + limits.overhead(job, rates),
            frozenset(maker[p] for p in job.inputs if p in maker),
            job.priority,
            limits.demand(job),
            memory,
        )
        for job, seconds, memory in timed
    ]


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

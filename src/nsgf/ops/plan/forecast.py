"""What each job of a preset will take, and which figures say so."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.task import Job
from nsgf.ops.plan.disk import disk_bytes
from nsgf.ops.plan.history import Measured
from nsgf.ops.plan.reference import figures
from nsgf.ops.plan.work import MODELS, Work, work_of

HERE, SCALED, SHIPPED, NO_MODEL = "measured here", "scaled from a run here", "reference", "no model"
SOURCES = (HERE, SCALED, SHIPPED, NO_MODEL)


@dataclass(frozen=True)
class JobForecast:
    """One job: time of its process, peak memory, disk that its outputs take, and the source.

    `reach` is how many times the work of the largest job that the source measured this one is.
    """

    job: Job
    device: str
    seconds: float
    memory_mb: float
    disk_bytes: float
    source: str
    reach: float = 1.0

    @property
    def cpu_s(self) -> float:
        """Core seconds; 0 for a job that waits for a GPU."""
        return 0.0 if self.device == "cuda" else self.seconds * self.job.threads

    @property
    def gpu_s(self) -> float:
        """GPU seconds."""
        return self.seconds * self.job.resources.gpu if self.device == "cuda" else 0.0


def forecast(preset: Preset, measured: Sequence[Measured] = ()) -> list[JobForecast]:
    """Forecasts of all jobs of `preset`, as if nothing of it were done."""
    by_kind = defaultdict(list)
    for m in measured:
        by_kind[_kind(m.stage, m.work)].append(m)
    return [_of(job, preset, by_kind) for job in jobs(preset)]


def _kind(stage: str, work: Work) -> tuple[str, str]:
    return work.kind or stage, work.device


def _of(job: Job, preset: Preset, by_kind: Mapping[tuple, Sequence[Measured]]) -> JobForecast:
    """By jobs that did just this, by the speed of this machine at their kind, or by reference."""
    work, rates = work_of(job, preset), figures()
    alike = by_kind.get(_kind(job.stage, work), ())
    same = [m for m in alike if m.work.amounts == work.amounts]
    seconds, memory, reach = rates.cost(work), rates.memory(job.stage, work), 1.0
    if same:
        source = HERE
        seconds = sum(m.seconds for m in same) / len(same)
        memory = max(m.memory_mb for m in same) or memory
    elif alike:
        costs = [rates.cost(m.work) for m in alike]
        source, reach = SCALED, seconds / max(costs)
        seconds *= sum(m.seconds for m in alike) / sum(costs)
    else:
        # The start alone says all of a stage without a model, but not of an unknown network.
        start_only = job.stage not in MODELS and f"start {job.stage}" in rates.seconds["cpu"]
        source = SHIPPED if work.kind or start_only else NO_MODEL
    disk = disk_bytes(job, preset)
    return JobForecast(job, work.device, seconds, memory, disk, source, reach)

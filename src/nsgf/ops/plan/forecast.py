"""What each job of a preset will take, and which figures say so."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.task import Job
from nsgf.ops.plan.history import Measured
from nsgf.ops.plan.reference import reference
from nsgf.ops.plan.work import Work, work_of

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
        by_kind[m.work.kind, m.work.device].append(m)
    return [_of(job, preset, by_kind) for job in jobs(preset)]


def cost(work: Work) -> float:
    """Seconds of `work` on the reference machine of its device."""
    rates = reference()["seconds"][work.device]
    return sum(
        count * rates.get(name, rates["start default"] if name.startswith("start") else 0.0)
        for name, count in work.amounts.items()
    )


def _memory(stage: str, work: Work) -> float:
    """Peak memory of one process, MB; a GPU's own is not counted."""
    known = reference()["memory_mb"]
    own = known["cuda"] if work.device == "cuda" else work.net_mb
    return known.get(stage, known["default"]) + work.host_mb + own


def _of(job: Job, preset: Preset, by_kind: Mapping[tuple, Sequence[Measured]]) -> JobForecast:
    """By jobs that did just this, by the speed of this machine at their kind, or by reference."""
    work = work_of(job, preset)
    alike = by_kind.get((work.kind, work.device), ())
    same = [m for m in alike if m.work.amounts == work.amounts]
    seconds, memory, reach = cost(work), _memory(job.stage, work), 1.0
    source = SHIPPED if work.known else NO_MODEL
    if same:
        source = HERE
        seconds = sum(m.seconds for m in same) / len(same)
        memory = max(m.memory_mb for m in same) or memory
    elif alike:
        costs = [cost(m.work) for m in alike]
        source, reach = SCALED, seconds / max(costs)
        seconds *= sum(m.seconds for m in alike) / sum(costs)
    return JobForecast(job, work.device, seconds, memory, work.disk, source, reach)

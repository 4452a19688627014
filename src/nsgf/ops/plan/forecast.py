"""What each job of a preset will take, and which figures say so."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.task import Job
from nsgf.ops.plan.disk import disk_bytes
from nsgf.ops.plan.history import Measured
from nsgf.ops.plan.reference import Figures, figures
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
    known, rates = _Known(measured, figures()), figures()
    return [_of(job, work_of(job, preset), preset, known, rates) for job in jobs(preset)]


class _Known:
    """Earlier jobs by their kind of work."""

    def __init__(self, measured: Sequence[Measured], rates: Figures):
        self._rates, self._by_kind = rates, defaultdict(list)
        for m in measured:
            self._by_kind[_key(m.stage, m.work)].append(m)

    def same(self, stage: str, work: Work) -> list[Measured]:
        """Jobs that did just this."""
        return [m for m in self._by_kind[_key(stage, work)] if m.work.amounts == work.amounts]

    def speed(self, stage: str, work: Work) -> tuple[float, float] | None:
        """Seconds here for one of the reference machine, by jobs of this kind; and the reach."""
        alike = self._by_kind[_key(stage, work)]
        if not alike:
            return None
        costs = [self._rates.cost(m.work) for m in alike]
        return sum(m.seconds for m in alike) / sum(costs), self._rates.cost(work) / max(costs)


def _key(stage: str, work: Work) -> tuple[str, str]:
    return work.kind or stage, work.device


def _of(job: Job, work: Work, preset: Preset, known: _Known, rates: Figures) -> JobForecast:
    same, speed = known.same(job.stage, work), known.speed(job.stage, work)
    seconds, memory, reach = rates.cost(work), rates.memory(job.stage, work), 1.0
    if same:
        source = HERE
        seconds = sum(m.seconds for m in same) / len(same)
        memory = max(m.memory_mb for m in same) or memory
    elif speed is not None:
        source, seconds, reach = SCALED, seconds * speed[0], speed[1]
    else:
        modelled = work.kind or f"start {job.stage}" in rates.seconds["cpu"]
        source = SHIPPED if modelled and work.modelled else NO_MODEL
    disk = disk_bytes(job, preset, rates)
    return JobForecast(job, work.device, seconds, memory, disk, source, reach)

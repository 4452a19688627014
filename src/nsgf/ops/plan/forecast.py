"""What each job of a preset will take, and which figures say so."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.task import Job
from nsgf.errors import NsgfError
from nsgf.ops.plan.calibrate import calibrated
from nsgf.ops.plan.history import Measured, history
from nsgf.ops.plan.reference import Rates, rates_on, reference
from nsgf.ops.plan.work import Work, work_of

HERE, SCALED, CALIBRATED = "measured here", "scaled from a run here", "calibrated"
SHIPPED, NO_MODEL = "reference", "no model"
SOURCES = (HERE, SCALED, CALIBRATED, SHIPPED, NO_MODEL)


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


def best_forecast(preset: Preset, local: bool, gpu: str | None = None) -> list[JobForecast]:
    """By what ran here; where that does not say all of jobs on CPUs here, by this machine's speed.

    Args:
        preset: whose jobs.
        local: whether they run on this machine.
        gpu: another kind of GPU than the reference's and this machine's.

    Raises:
        NsgfError: the speed cannot be measured, or nothing is known of such a GPU.
    """
    measured = history()
    if gpu:
        return forecast(preset, [m for m in measured if m.work.device == "cpu"], rates_on(gpu))
    planned = forecast(preset, measured)
    if local and any((p.source, p.device) == (SHIPPED, "cpu") for p in planned):
        return forecast(preset, measured, calibrated())
    return planned


def any_forecast(preset: Preset, local: bool) -> list[JobForecast]:
    """The best one for a run, which needs none: by the reference where this machine's speed or
    what ran here cannot be read, and a line says why."""
    try:
        return best_forecast(preset, local)
    except (NsgfError, OSError, ValueError) as error:
        why = getattr(error, "what", error)
        print(f"The forecast is that of the reference machine: {why}", flush=True)
        return forecast(preset)


def forecast(
    preset: Preset, measured: Sequence[Measured] = (), rates: Rates | None = None
) -> list[JobForecast]:
    """Forecasts of all jobs of `preset`, as if nothing of it were done.

    Args:
        preset: whose jobs.
        measured: what jobs took here.
        rates: of this machine, None for those of the reference.
    """
    by_kind = defaultdict(list)
    for m in measured:
        by_kind[m.work.kind, m.work.device].append(m)
    return [_of(job, preset, by_kind, rates) for job in jobs(preset)]


def cost(work: Work, rates: Rates | None = None) -> float:
    """Seconds of `work` at `rates`, None for those of the reference machine of its device."""
    own = (rates or reference()["seconds"])[work.device]
    return sum(
        count * own.get(name, own["start default"] if name.startswith("start") else 0.0)
        for name, count in work.amounts.items()
    )


def _memory(stage: str, work: Work) -> float:
    """Peak memory of one process, MB; a GPU's own is not counted."""
    known = reference()["memory_mb"]
    own = known["cuda"] if work.device == "cuda" else work.net_mb
    return known.get(stage, known["default"]) + work.host_mb + own


def _of(
    job: Job,
    preset: Preset,
    by_kind: Mapping[tuple, Sequence[Measured]],
    rates: Rates | None = None,
) -> JobForecast:
    """By jobs that did just this, by the speed of this machine at their kind, or by `rates`."""
    work = work_of(job, preset)
    alike = by_kind.get((work.kind, work.device), ())
    same = [m for m in alike if m.work.amounts == work.amounts]
    seconds, memory, reach = cost(work, rates), _memory(job.stage, work), 1.0
    is_own = rates and work.device == "cpu" and rates["cpu"] is not reference()["seconds"]["cpu"]
    source = CALIBRATED if is_own else SHIPPED
    source = source if work.known else NO_MODEL
    if same:
        source = HERE
        seconds = sum(m.seconds for m in same) / len(same)
        memory = max(m.memory_mb for m in same) or memory
    elif alike:
        costs = [cost(m.work, rates) for m in alike]
        source, reach = SCALED, seconds / max(costs)
        seconds *= sum(m.seconds for m in alike) / sum(costs)
    return JobForecast(job, work.device, seconds, memory, work.disk, source, reach)

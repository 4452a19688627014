"""Where each job of a preset stands now."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nsgf.artifact import SIDECAR
from nsgf.config.preset import Preset
from nsgf.engine.task import Job
from nsgf.ops.plan.history import stored
from nsgf.ops.plan.schedule import Limits, together
from nsgf.ops.timing import timing
from nsgf.ops.watch.events import Events, read_events
from nsgf.ops.watch.signs import Bar, Queued, last_bar, tail

OVER = ("done", "kept")
STATES = ("running", "queued", "failed", "stopped", "waiting", *OVER)
LOCK = Path(".snakemake/reproduce.lock")


@dataclass(frozen=True)
class JobState:
    """One job, as JSON shows it.

    Attributes:
        state: running; queued at SLURM; failed; stopped, where the run ended before it; waiting for
            inputs or a core; done in this run; kept from an earlier one.
        units, units_done: parts that the job works through, and whose files are there.
        what, step, of, rate, loss: the progress bar, its steps a second and the last loss.
        elapsed_s: since it began, or what it took. eta_s: until it ends.
        where: its node, or why SLURM lets it wait.
    """

    job: str
    stage: str
    study: str
    state: str
    units: int
    units_done: int
    what: str | None = None
    step: int | None = None
    of: int | None = None
    rate: float | None = None
    loss: float | None = None
    elapsed_s: float | None = None
    eta_s: float | None = None
    where: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """All jobs of a preset, and whether their run is alive; `eta_s` is the run's."""

    preset: str
    alive: bool
    jobs: tuple[JobState, ...]
    elapsed_s: float | None
    eta_s: float | None

    def counts(self) -> dict[str, int]:
        """Jobs in each of STATES."""
        found = Counter(job.state for job in self.jobs)
        return {state: found[state] for state in STATES}

    def summary(self) -> dict:
        """The counts of all states and the times, for JSON."""
        return vars(self) | {"jobs": len(self.jobs)} | self.counts()


def is_alive() -> bool:
    """Whether `make reproduce` runs in this folder: someone holds its lock.

    The list of locks is read, because trying the lock could keep a run from starting.
    """
    if not LOCK.exists():
        return False
    about = LOCK.stat()
    device = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    locks = Path("/proc/locks")
    return locks.exists() and any(device in line.split() for line in locks.read_text().splitlines())


def take(preset: Preset, every: Sequence[Job], queue: dict[str, Queued]) -> Snapshot:
    """Read where every job of `preset` stands; `queue` is SLURM's."""
    log, alive, now = Path(f"logs/{preset.name}/snakemake.log"), is_alive(), time.time()
    events = read_events(log.read_text(errors="replace") if log.exists() else "")
    plan = stored(preset) or {"jobs": {}}
    expected = {job.name: plan["jobs"].get(job.name, {}).get("seconds") for job in every}
    found = []
    for job in every:
        queued, units = queue.get(job.name), len(job.tasks)
        state = _state(job, events, queued, alive)
        made = [Path(p) for p in job.outputs if not p.endswith(SIDECAR)]
        done = units * sum(p.exists() for p in made) // len(made)
        progress: dict = {}
        if state == "running":
            bar, elapsed = (
                last_bar(tail(log.with_name(f"{job.name}.log"))),
                now - events.begun[job.name],
            )
            eta = _job_eta(bar, units - done, units, expected[job.name], elapsed)
            progress = {"elapsed_s": elapsed, "eta_s": eta} | (vars(bar) if bar else {})
        elif state in OVER:
            taken, done = timing(preset.name, job.name), units  # what was temporary may be gone
            progress = {"elapsed_s": taken and taken.seconds}
        about = (job.name, job.stage, job.study, state, units, done)
        found.append(JobState(*about, where=queued and queued.where, **progress))
    start = min(events.begun.values(), default=None)
    took = None if start is None else (now if alive else events.last) - start
    eta = _eta(every, found, expected, plan) if alive and events.wanted else None
    return Snapshot(preset.name, alive, tuple(found), took, eta)


def _state(job: Job, events: Events, queued: Queued | None, alive: bool) -> str:
    if job.name in events.ended:
        return "done" if events.ended[job.name] else "failed"
    if job.name in events.begun:
        if not alive:
            return "stopped"
        return "queued" if queued and queued.state == "PENDING" else "running"
    if job.name not in events.wanted and all(Path(p).exists() for p in job.kept):
        return "kept"
    return "waiting"


def _job_eta(
    bar: Bar | None, left: int, units: int, expected: float | None, elapsed: float
) -> float | None:
    """Seconds until a job ends, by its bar, and by the forecast where there is none yet."""
    if bar and bar.rate:
        # The bar of `evaluate` is over its units; others have a bar for each.
        later = 0 if bar.of == units else max(0, left - 1)
        return (bar.of - bar.step + later * bar.of) / bar.rate
    return None if expected is None else max(0.0, expected - elapsed)


def _eta(
    every: Sequence[Job], found: Sequence[JobState], expected: dict[str, float | None], plan: dict
) -> float | None:
    """Seconds until the run ends, by a schedule of what is left; None without a forecast."""
    left = [
        (job, now.eta_s if now.state == "running" else expected[job.name], 0.0)
        for job, now in zip(every, found, strict=True)
        if now.state not in OVER
    ]
    if "cores" not in plan or any(seconds is None for _, seconds, _ in left):
        return None
    limits = Limits(plan["cores"], jobs=plan["cluster_jobs"])
    return together(left, limits)[0] if left else 0.0

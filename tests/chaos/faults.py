"""What can be done to a run: each fault hits something alive, or says that there was nothing."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from tests.chaos.attempts import Run, stage_of
from tests.chaos.disk import Filler
from tests.workflow.checkout import job_of

FULL_SECONDS = 15  # that a full disk lasts, at most
REPAIR_SECONDS = (0.5, 10)  # after which a dead node comes back
WORKED_ON = ("pools", "models", "samples", "metrics")


@dataclass
class Fault:
    """A fault that was injected, for the record."""

    kind: str
    where: str  # local or SLURM
    run: int
    attempt: int
    target: str
    pid: str  # of the process or, for scancel, of the SLURM job; empty for files
    stage: str  # of a job that was alive
    moment_s: float  # since the attempt began
    exit: int | None = None
    saw: str = ""  # what the user was told
    survived: bool | None = None

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Hit:
    """What a fault struck."""

    target: str
    pid: str = ""
    stage: str = ""  # where the target itself tells


Inject = Callable[[Run, random.Random], Hit | None]


def kill_job(run: Run, draw: random.Random) -> Hit | None:
    """SIGKILL of a job's process."""
    jobs = run.checkout.jobs()
    return _signal(draw.choice(jobs), signal.SIGKILL) if jobs else None


def kill_snakemake(run: Run, _: random.Random) -> Hit | None:
    """SIGKILL of Snakemake."""
    return _signal(run.snakemake(), signal.SIGKILL)


def term_snakemake(run: Run, _: random.Random) -> Hit | None:
    """SIGTERM of Snakemake."""
    return _signal(run.snakemake(), signal.SIGTERM)


def kill_driver(run: Run, _: random.Random) -> Hit | None:
    """SIGKILL of the command that the user typed."""
    return _signal(run.driver(), signal.SIGKILL)


def term_driver(run: Run, _: random.Random) -> Hit | None:
    """SIGTERM of the command that the user typed."""
    return _signal(run.driver(), signal.SIGTERM)


def cancel(run: Run, draw: random.Random) -> Hit | None:
    """Scancel of a running job."""
    jobs = run.running()
    if not jobs:
        return None
    job = draw.choice(jobs)
    run.cluster.cancel(job.id)
    return Hit(job.rule, job.id)


def kill_node(run: Run, draw: random.Random) -> Hit | None:
    """Sudden death of a node that works for us; it comes back after a while."""
    jobs = run.running()
    if not jobs:
        return None
    node = draw.choice(jobs).node
    pid = run.cluster.pid(node)
    run.cluster.kill_node(node)
    time.sleep(draw.uniform(*REPAIR_SECONDS))  # the repair takes its time, there is nothing to poll
    run.cluster.start_node(node)
    return Hit(f"node {node}", str(pid))


def fill_disk(run: Run, _: random.Random) -> Hit | None:
    """No space left, until the run has failed or for a while; a hit where somebody met it."""
    before = run.complaints()
    with Filler(run.disk):
        deadline = time.monotonic() + FULL_SECONDS
        while run.alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        met = run.complaints() - before
    return Hit(", ".join(sorted(met))) if met else None


def cut_artefact(run: Run, draw: random.Random) -> Hit | None:
    """A finished file loses its second half while nothing runs; the gate must name it."""
    if not _finished(run):
        return None
    run.stop()
    if not (found := _finished(run)):  # Snakemake has removed what a stopped job left
        return None
    path = draw.choice(found)
    _cut(path)
    run.pass_gate(path)
    return Hit(str(path.relative_to(run.checkout.folder)))


def cut_checkpoint(run: Run, draw: random.Random) -> Hit | None:
    """What a job kept to go on from loses its second half while nothing runs."""
    if not _kept(run):
        return None
    run.stop()
    if not (found := _kept(run)):
        return None
    path = draw.choice(found)
    _cut(path)
    return Hit(path.name)


BOTH: dict[str, Inject] = {
    "SIGKILL job": kill_job,
    "SIGKILL Snakemake": kill_snakemake,
    "SIGTERM Snakemake": term_snakemake,
    "SIGKILL driver": kill_driver,
    "SIGTERM driver": term_driver,
    "disk full": fill_disk,
    "artefact cut": cut_artefact,
    "checkpoint cut": cut_checkpoint,
}
ON_SLURM: dict[str, Inject] = {"scancel": cancel, "node death": kill_node}
KINDS = BOTH | ON_SLURM


def _signal(process: psutil.Process | None, number: signal.Signals) -> Hit | None:
    """Send a signal to a process that is alive."""
    if process is None:
        return None
    try:
        words = process.cmdline()
        if not words:  # it has ended and waits for its parent
            return None
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return None
    named = [Path(w).name for w in words]
    name = next(n for n in ("nsgf", "snakemake", "reproduce.py") if n in named)
    return Hit(f"{name} {job_of(words)}".strip(), str(process.pid), stage_of(words))


def _finished(run: Run) -> list[Path]:
    folders = [run.checkout.results / name for name in WORKED_ON]
    found = [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    return [p for p in found if Path(f"{p}.prov.json").exists()]


def _kept(run: Run) -> list[Path]:
    kept = (p for p in run.checkout.state("*/**/*") if p.is_file() and p.name != "lock")
    return [p for p in kept if p.stat().st_size > 1]


def _cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)

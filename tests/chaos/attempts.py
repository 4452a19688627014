"""A run that is disturbed: the same command again and again, until it ends with exit code 0."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from nsgf.registry import DATASETS
from tests.slurm.cluster import Cluster, ClusterJob
from tests.slurm.use import PROFILE, with_variable
from tests.workflow.checkout import Checkout, job_of

PATIENCE = 240  # seconds after which a run counts as hung
GRACE = 30  # seconds in which what was killed may end
WHO = ("-c", "user.name=chaos", "-c", "user.email=chaos@localhost")
NO_SPACE = "No space left"


class Run:
    """A checkout, and the attempt that is under way in it.

    Args:
        checkout: a fresh one.
        cluster: where its jobs run, None for this machine.
        disk: folder of the disk that the checkout is on, None where that must not be filled.
    """

    def __init__(self, checkout: Checkout, cluster: Cluster | None, disk: Path | None):
        self.checkout, self.cluster, self.disk = checkout, cluster, disk
        self.attempts, self.trouble, self.process = 0, [], None
        _commit(checkout.folder)

    def begin(self) -> None:
        """Type the command."""
        self.attempts, self.begun, self._said = self.attempts + 1, time.monotonic(), None
        self.stopped = False  # by us: such an end is nobody's failure
        self.process = self.checkout.start(*(PROFILE if self.cluster else ()))

    @property
    def moment(self) -> float:
        """Seconds since the attempt began."""
        return time.monotonic() - self.begun

    def alive(self) -> bool:
        """Whether the command still runs; one that hangs is ended and held against the run."""
        if self.process.poll() is not None:
            return False
        if self.moment > PATIENCE:
            self.trouble.append(f"attempt {self.attempts} hung for {PATIENCE} s")
            self.kill()
        return True

    def end(self) -> tuple[int, str]:
        """Wait for the attempt's end; returns its exit code and what the user saw."""
        while self.alive():
            time.sleep(0.05)
        if self._said is None:
            self._said = self.process.communicate()[0]
            if "Traceback" in self._said:
                self.trouble.append(f"attempt {self.attempts} showed a traceback: {self._said}")
        return self.process.returncode, self._said

    def kill(self) -> None:
        """End the command, if it runs, and with it all that it started here."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End the attempt as a user does who wants the terminal back; nothing runs afterwards."""
        self.stopped = True
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        self.end_of_others()

    def end_of_others(self) -> list[psutil.Process]:
        """Wait a while until no process of this checkout is left; returns those that are."""
        deadline = time.monotonic() + GRACE
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def processes(self) -> list[psutil.Process]:
        """The command, Snakemake, jobs, SLURM clients and steps, and whatever these started."""
        return with_variable("NSGF_STATE", str(self.checkout.folder / "state"))

    def driver(self) -> psutil.Process | None:
        """The command that the user typed."""
        return psutil.Process(self.process.pid) if self.process.poll() is None else None

    def snakemake(self) -> psutil.Process | None:
        """The Snakemake that the command started."""
        driver = self.driver()
        children = driver.children() if driver else []
        return next((p for p in children if "snakemake" in p.cmdline()), None)

    def running(self) -> list[ClusterJob]:
        """SLURM jobs of this checkout that run."""
        here = str(self.checkout.folder)
        return [j for j in self.cluster.queue("running") if j.folder == here]

    def stages(self) -> list[str]:
        """Jobs that are alive, each by its stage."""
        found = []
        for process in self.checkout.jobs():
            with contextlib.suppress(psutil.NoSuchProcess):
                found += filter(None, [stage_of(process.cmdline())])
        return found

    def complaints(self) -> set[str]:
        """Logs that tell of a full disk, and the command itself if it does."""
        logs = [p for p in (self.checkout.folder / "logs").rglob("*.log")]
        found = {p.name for p in logs if NO_SPACE in p.read_text(errors="replace")}
        ended = self.process.poll() is not None
        return found | ({"the command"} if ended and NO_SPACE in self.end()[1] else set())

    def pass_gate(self, path: Path) -> None:
        """Type the command on a damaged file, and do what it says.

        Both gates must name it: that of a run, and the one that judges by the commit.
        """
        name = str(path.relative_to(self.checkout.folder))
        gate = self.checkout.nsgf("audit", f"results/{self.checkout.name}", "--gate")
        run = self.checkout.reproduce(*(PROFILE if self.cluster else ()))
        for said in (gate.stderr, run.stderr):
            if name not in said or "mend" not in said:
                self.trouble.append(f"{name} is damaged, but nothing named it: {said}")
        made = self.checkout.nsgf("make", name)
        if f"nsgf make {name}" not in run.stderr or made.returncode:
            self.trouble.append(f"{name} is not mended by what was said: {made.stderr}")


def stage_of(words: Sequence[str]) -> str:
    """The stage of the job that a command does, as its name tells it; "" if it does none."""
    first, *others = job_of(words).split("-")
    return others[0] if first in DATASETS else first


def _commit(folder: Path) -> None:
    """What the gate trusts is a commit."""
    for words in (["init", "--quiet"], ["add", "config"], ["commit", "--quiet", "-m", "Start"]):
        subprocess.run(["git", *WHO, *words], cwd=folder, check=True)

"""Strike a tiny run at random moments, again and again; its results must not change by a byte.

`python -m tests.chaos.campaign --seed N` runs a preset undisturbed, and then in fresh checkouts, on
this machine and on a SLURM of its own, with faults whose kinds and moments the seed draws. As root
it lives in a namespace of its own, which takes its mounts and all of its processes along however it
ends.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nsgf.errors import NsgfError
from tests.chaos import checks, disk
from tests.chaos.attempts import Run
from tests.chaos.disturb import disturb
from tests.chaos.faults import Fault
from tests.chaos.plan import LOCAL, SLURM, Planned, plan
from tests.chaos.preset import tiny
from tests.chaos.show import Screen, table
from tests.slurm.cluster import SETTINGS, Cluster, refuse_foreign
from tests.slurm.packages import APART, require
from tests.slurm.use import on_slurm
from tests.workflow.checkout import Checkout

APART_ALREADY = "NSGF_CHAOS_APART"
AS_FIRST = '"$@"; exit $?'  # bash, as process 1, reaps orphans
SEED = 2401
SPREAD = {LOCAL: 8.0, SLURM: 16.0}  # seconds; starting a job takes SLURM longer


def main() -> int:
    """Run a campaign; exit code 0 if everything was survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=SEED, help="draws kinds and moments")
    parser.add_argument("--kills", type=int, default=30, help="faults in all")
    parser.add_argument("--minutes", type=float, default=20, help="no run begins after these")
    parser.add_argument("--local", action="store_true", help="on this machine alone")
    parser.add_argument("--short", action="store_true", help="runs of a quarter of the work")
    parser.add_argument("--json", type=Path, help="where to write every fault")
    arguments = parser.parse_args()
    if not os.geteuid() and APART_ALREADY not in os.environ:
        _go_apart()
    folder = Path(tempfile.mkdtemp(prefix="nsgf-chaos-"))
    os.environ["TMPDIR"] = str(folder)  # a killed Snakemake leaves an empty folder there
    try:
        return Campaign(arguments, folder).run()
    except KeyboardInterrupt:
        return 130
    finally:
        disk.unmount(folder / "disk")
        shutil.rmtree(folder)


def _go_apart() -> None:
    """Start again with mounts and processes that nobody else has."""
    os.environ[APART_ALREADY] = "1"
    words = [sys.executable, "-m", "tests.chaos.campaign", *sys.argv[1:]]
    os.execvp(APART[0], [*APART, "bash", "-c", AS_FIRST, "bash", *words])


class Campaign:
    """The runs of one seed and what became of them."""

    def __init__(self, arguments: argparse.Namespace, folder: Path):
        self._options, self._folder = arguments, folder
        self._preset = tiny(arguments.short)
        self._faults: list[Fault] = []
        self._wrong: list[str] = []

    def run(self) -> int:
        """Everything from the undisturbed run to the table."""
        options, settings = self._options, checks.snapshot(SETTINGS)
        self._screen = Screen(options.kills)
        with self._disk() as disk_folder, self._cluster() as cluster:
            self._whole = self._undisturbed()
            draw = random.Random(options.seed)
            full = APART_ALREADY in os.environ
            runs = plan(options.kills, draw, cluster is not None, full)
            for number, planned in enumerate(self._in_time(runs), 1):
                left = self._disturbed(number, planned, disk_folder, cluster, draw)
                if left:  # the run was over before they struck
                    runs.append(Planned(planned.where, tuple(left)))
        self._wrong += checks.cluster_left(self._folder / "cluster")
        if checks.snapshot(SETTINGS) != settings:
            self._wrong.append(f"{SETTINGS} was touched")
        return self._close()

    @contextlib.contextmanager
    def _disk(self) -> Iterator[Path]:
        """A folder for checkouts; as root, on a small disk."""
        folder = self._folder / "disk"
        if APART_ALREADY in os.environ:
            disk.mount(folder)
        else:
            folder.mkdir()
            print("A full disk is left out: it needs root.")
        yield folder

    @contextlib.contextmanager
    def _cluster(self) -> Iterator[Cluster | None]:
        """A cluster, or None where there can be none, said so."""
        if self._options.local:
            yield None
            return
        try:
            refuse_foreign(SETTINGS)
            require()
        except NsgfError as error:
            print(f"SLURM is left out: {error.what}.")
            yield None
            return
        with Cluster(self._folder / "cluster") as cluster:
            yield cluster

    def _undisturbed(self) -> dict[str, bytes]:
        folder = self._folder / "undisturbed"
        folder.mkdir()
        checkout = Checkout(folder, self._preset, quickly=True)
        result = checkout.reproduce()
        if result.returncode:
            raise SystemExit(f"the undisturbed run failed:\n{result.stdout}{result.stderr}")
        self._screen.line("undisturbed run done")
        return checks.results_of(checkout)

    def _in_time(self, runs: list[Planned]) -> Iterator[Planned]:
        """Runs, also those that are added meanwhile, until the time is up."""
        for planned in runs:
            if self._screen.minutes > self._options.minutes:
                self._wrong.append(f"{self._options.minutes:g} minutes were too few for all faults")
                return
            yield planned

    def _disturbed(
        self,
        number: int,
        planned: Planned,
        disk_folder: Path,
        cluster: Cluster | None,
        draw: random.Random,
    ) -> list[str]:
        """One run; returns the kinds that came too late."""
        folder = disk_folder / f"run{number}"
        folder.mkdir()
        there = planned.where == SLURM
        whole = self._preset
        checkout = on_slurm(folder, whole, cluster, 1) if there else Checkout(folder, whole)
        run = Run(checkout, cluster if there else None, disk_folder)
        spread, tell = SPREAD[planned.where], self._screen.fault
        try:
            struck, late = disturb(run, planned.where, number, planned.kinds, spread, draw, tell)
        finally:
            run.kill()
        wrong = checks.wrong(run, self._whole)
        for fault in struck:
            fault.survived = not wrong
        self._faults += struck
        self._wrong += [f"{planned.where} run {number}: {line}" for line in wrong]
        verdict = "; ".join(wrong) or "same bytes, nothing left"
        self._screen.line(f"{planned.where} run {number}, {run.attempts} attempts: {verdict}")
        shutil.rmtree(folder)
        return late

    def _close(self) -> int:
        options, minutes = self._options, round(self._screen.minutes, 1)
        if len(self._faults) < options.kills:
            self._wrong.append(f"only {len(self._faults)} of {options.kills} faults struck")
        print(f"\n{table(self._faults)}\n\nseed {options.seed}, {minutes} min")
        print("\n".join(f"WRONG {line}" for line in self._wrong) or "All survived.")
        if options.json:
            body = {"seed": options.seed, "minutes": minutes, "wrong": self._wrong}
            body["faults"] = [fault.as_dict() for fault in self._faults]
            options.json.write_text(json.dumps(body, indent=1) + "\n")
        return 1 if self._wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""Run a preset from a fresh machine to its report; what `make reproduce` and `dvc repro` call.

Snakemake owns the DAG. This file validates the preset first, so that a typing mistake costs a
second and one message; clears a lock that a killed run left behind; shows one progress line instead
of Snakemake's log (which goes to logs/<preset>/snakemake.log); and makes the HTML report.
"""

import argparse
import contextlib
import csv
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import slurm_jobs
import yaml
from tqdm import tqdm

from nsgf.artifact import write_json
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.errors import NsgfError
from nsgf.jobs import jobs, targets
from nsgf.layout import Layout
from nsgf.lifeline import die_with_parent
from nsgf.registry import lookup
from nsgf.stages import timeline

DONE = re.compile(r"(\d+) of (\d+) steps")
FAILED = re.compile(r"Error in rule ([^\s:,]+)")
FINISHED = re.compile(r"Finished jobid: \d+ \(Rule: (\S+)\)")
SLURM_RUN = Path(".snakemake/slurm-run")  # there while SLURM may hold jobs of this folder


def main() -> int:
    """Reproduce a preset; the exit code is Snakemake's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="quick", help="quick, cpu, paper, or a file")
    parser.add_argument("--only", default=None, help="one study, such as table1")
    parser.add_argument("--cores", default=str(os.cpu_count()), help="jobs at a time, if local")
    parser.add_argument("--profile", default="default", help="where jobs run: default, slurm, ...")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would run")
    parser.add_argument(
        "--complete", action="store_true", help="also make what is missing behind finished results"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        where = Where(arguments.profile, arguments.cores)
        only, dry_run = arguments.only or None, arguments.dry_run
        return reproduce(arguments.preset, only, where, dry_run, arguments.complete)
    except NsgfError as error:
        print(f"nsgf: {error}", file=sys.stderr)
    except OSError as error:
        where = f" '{error.filename}'" if error.filename else ""
        print(f"nsgf: cannot read or write{where}: {error.strerror}", file=sys.stderr)
        print("  mend  free some space or check whose it is, then run it again", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped. What is done is kept: run the same command to go on.", file=sys.stderr)
        return 130
    return 1


class Where:
    """Where jobs run: on this machine, or on SLURM as a profile says.

    Args:
        profile: a folder in profiles/, or the path of one.
        cores: cores of this machine that jobs may use.

    Raises:
        NsgfError: no profile has that name.
    """

    def __init__(self, profile: str, cores: str):
        known = {p.parent.name: p.parent for p in Path("profiles").glob("*/config.yaml")}
        here = (Path(profile) / "config.yaml").exists()
        self.folder = Path(profile) if here else lookup(known, profile, "profile")
        settings = yaml.safe_load((self.folder / "config.yaml").read_text())
        self.slurm = settings.get("executor") == "slurm"
        self._cores = cores

    def words(self, dry_run: bool) -> list[str]:
        """What Snakemake is told."""
        words = ["--workflow-profile", str(self.folder)]
        if self.slurm:
            return words
        return [*words, "--cores", self._cores, *([] if dry_run else _local_limits())]

    def __enter__(self):
        """Cancel what a killed run left on SLURM, so that no job runs twice at a time."""
        if (self.slurm or SLURM_RUN.exists()) and (count := slurm_jobs.cancel_leftovers()):
            left = f"{count} SLURM job{'s' if count > 1 else ''}"
            print(f"Cancelled {left} of an earlier run in this folder.", flush=True)
        SLURM_RUN.unlink(missing_ok=True)
        if self.slurm:
            SLURM_RUN.touch()
        return self

    def __exit__(self, *_) -> None:
        """Nothing stays on SLURM of a run that was interrupted, or whose Snakemake was killed."""
        if self.slurm:
            slurm_jobs.cancel_leftovers()
            SLURM_RUN.unlink()


def reproduce(
    name: str, only: str | None, where: Where, dry_run: bool = False, complete: bool = False
) -> int:
    """Run everything that the preset (or its study `only`) asks for, then report.

    `complete` asks for every artefact, so that pools which no archive kept are built again.

    Raises:
        NsgfError: the preset is not possible, or another run is under way in this folder.
    """
    file = preset_file(name)
    preset = load(file, Preset)
    if preset.name != file.stem:
        raise NsgfError(
            f"'{file}' says `name: {preset.name}`: its results would go to another preset's folder",
            f"write `name: {file.stem}`",
        )
    wanted = targets(preset, only)
    settings = ["--config", f"preset={preset.name}", f"preset_file={file}"]
    settings += [f"only={only}"] if only else []
    settings += ["complete=1"] if complete else []
    with _only_run():
        _clear_stale_lock()
        log = Path(f"logs/{preset.name}/snakemake.log")
        if dry_run:
            words = [*where.words(dry_run), "--dry-run", "--quiet", "rules", *settings]
            return subprocess.run([sys.executable, "-m", "snakemake", *words]).returncode
        words, begun = [*where.words(dry_run), *settings], time.time()
        with where:
            if holes := _holes(preset) if complete else []:
                # First and alone: Snakemake would run again all that rests on what it makes anew.
                print(f"Building again {len(holes)} files that no archive kept")
                code, _, failed, _ = _run_snakemake([*holes, *words], log, where)
                if code:
                    _explain(preset, failed, log, where)
                    return code
            code, ran, failed, cost = _run_snakemake(words, log, where)
        if code:
            _explain(preset, failed, log, where)
            return code
        if where.slurm:  # memory and cores are those of this machine alone
            cost = {"wall_s": cost["wall_s"]}
        cost["jobs_s"] = _seconds_of_jobs(preset, begun)
        if ran:
            write_json(Path(f"results/{preset.name}/timings/run.json"), cost)
            timeline.run(file)
        report = Path(f"results/{preset.name}/report{'-' + only if only else ''}.html")
        made = _report(report, wanted, settings, log)
    if not ran and not made:
        print(f"Nothing to do: preset {preset.name} is complete.")
    elif ran:
        print(f"{ran} jobs in {cost['wall_s'] / 60:.1f} min,", _summary(cost, where))
    for study in preset.studies if only is None else [only]:
        print(f"  {study}  results/{preset.name}/tables/{study}.md")
    print(f"  report  {report}")
    return 0


def _holes(preset: Preset) -> list[str]:
    """Missing outputs of jobs from which another job's finished outputs were made."""
    every = jobs(preset)
    used = {p for job in every if all(Path(o).exists() for o in job.kept) for p in job.inputs}
    made_from = [job for job in every if used & set(job.outputs)]
    return [p for job in made_from for p in job.kept if not Path(p).exists()]


def preset_file(name: str) -> Path:
    """The file of a preset: a path as it is, or a name in config/.

    Raises:
        NsgfError: no preset has that name; the message names the nearest.
    """
    if name.endswith((".yaml", ".json")):
        return Path(name)
    others = ("published", "datasets")
    known = {p.stem: p for p in Path("config").glob("*.yaml") if p.stem not in others}
    return lookup(known, name, "preset")


def _summary(cost: dict, where: Where) -> str:
    if where.slurm:
        return f"of which SLURM ran theirs for {cost['jobs_s'] / 60:.1f} min in all"
    busy = 100 * cost["busy_fraction"]
    return f"peak memory {cost['peak_rss_mb']:.0f} MB, cores busy {busy:.0f} %"


def _seconds_of_jobs(preset: Preset, begun: float) -> float:
    """Seconds that the jobs took which ended since `begun`, added up."""
    layout = Layout(f"results/{preset.name}")
    paths = [Path(layout.timing(job.name)) for job in jobs(preset)]
    total = 0.0
    for path in paths:
        if path.exists() and path.stat().st_mtime >= begun:
            with path.open() as handle:
                total += float(next(csv.DictReader(handle, delimiter="\t"))["s"])
    return round(total, 1)


def _local_limits() -> list[str]:
    """Memory and GPUs that local jobs share, so that no more start than fit."""
    memory = int(0.9 * psutil.virtual_memory().total / 1e6)
    listing = shutil.which("nvidia-smi") and subprocess.run(
        ["nvidia-smi", "-L"], capture_output=True, text=True
    )
    # Without a GPU such jobs run on the CPU, one at a time.
    gpus = max(1, listing.stdout.count("GPU ") if listing else 0)
    return ["--resources", f"mem_mb={memory}", f"gpu={gpus}"]


def _run_snakemake(words: list[str], log: Path, where: Where) -> tuple[int, int, list[str], dict]:
    """Run Snakemake; returns its exit code, jobs done, failed rules and what it cost."""
    log.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # On SIGTERM alone it would first wait for its jobs, which may take days.
        preexec_fn=die_with_parent,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    meter, failed, done = Meter(process.pid), {}, 0
    with (
        log.open("w") as copy,
        tqdm(desc="jobs", unit="job", disable=None) as bar,
        _ends_with_us(process),
    ):
        for line in process.stdout:
            copy.write(line)
            copy.flush()
            if match := DONE.search(line):
                done, bar.total = int(match[1]), int(match[2])
                bar.update(done - bar.n)
                if not sys.stderr.isatty():
                    print(f"{done}/{bar.total} jobs, {meter.wall:.0f} s", flush=True)
            if match := FAILED.search(line):
                failed[match[1]] = True
            if match := FINISHED.search(line):
                failed.pop(match[1], None)  # a later attempt succeeded
    return process.wait(), done, list(failed), meter.cost()


@contextlib.contextmanager
def _ends_with_us(process: subprocess.Popen) -> Iterator[None]:
    """A Snakemake that is left alone would work on in a folder that the next run wants.

    Its local jobs end with it; those on SLURM are cancelled next, and must not be sent again.
    """
    try:
        yield
    except BaseException:
        process.kill()
        process.wait()
        raise


class Meter:
    """Peak memory and busy cores of Snakemake and its jobs, read about once a second."""

    def __init__(self, pid: int):
        self._root, self._start, self._peak = psutil.Process(pid), time.monotonic(), 0
        self._stop, self._cpu = False, {}
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def wall(self) -> float:
        return time.monotonic() - self._start

    def read(self) -> None:
        """One reading; a process that has just ended is left out."""
        total = 0
        for process in self._tree():
            try:
                times = process.cpu_times()
                total += process.memory_info().rss
                self._cpu[process.pid] = times.user + times.system
            except psutil.NoSuchProcess:
                continue
        self._peak = max(self._peak, total)

    def cost(self) -> dict:
        """Wall seconds, peak memory, and the share of core time that was used."""
        self._stop = True
        cores = len(os.sched_getaffinity(0))
        return {
            "wall_s": round(self.wall, 1),
            "peak_rss_mb": round(self._peak / 1e6),
            "busy_fraction": round(sum(self._cpu.values()) / self.wall / cores, 3),
            "cores": cores,
        }

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _watch(self) -> None:
        while not self._stop:
            self.read()
            time.sleep(1)


class _only_run:
    """One run at a time in this folder; the lock dies with its owner."""

    def __enter__(self):
        Path(".snakemake").mkdir(exist_ok=True)
        self._file = Path(".snakemake/reproduce.lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NsgfError(
                "another reproduce is running in this folder", "wait for it, or end it first"
            ) from error

    def __exit__(self, *_):
        self._file.close()


def _clear_stale_lock() -> None:
    """Remove Snakemake's lock if the run that held it is dead.

    Raises:
        NsgfError: a Snakemake started by hand is alive in this folder.
    """
    if not any(Path(".snakemake/locks").glob("*")):
        return
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        here = process.info["cwd"] == str(Path.cwd())
        job = "--target-jobs" in words  # what a run started on a node, if this is one
        if here and not job and any(Path(w).name == "snakemake" for w in words[:3]):
            raise NsgfError(
                f"Snakemake is running in this folder (process {process.pid})",
                "wait for it, or end it first",
            )
    for lock in Path(".snakemake/locks").glob("*"):
        lock.unlink()


def _report(report: Path, wanted: list[str], settings: list[str], log: Path) -> bool:
    """Make the HTML report if anything in it is newer; returns whether it was made."""
    newest = max(Path(p).stat().st_mtime for p in wanted if Path(p).exists())
    if report.exists() and report.stat().st_mtime >= newest:
        return False
    temporary = report.with_name(f".{report.name}")
    command = [sys.executable, "-m", "snakemake", "--report", f"{temporary}.html", *settings]
    result = subprocess.run(command, capture_output=True, text=True)
    with log.open("a") as copy:
        copy.write(result.stdout + result.stderr)
    if result.returncode:
        raise NsgfError("Snakemake could not make the HTML report", f"see the end of {log}")
    Path(f"{temporary}.html").replace(report)
    return True


def _explain(preset: Preset, failed: list[str], log: Path, where: Where) -> None:
    """Print each failed job's own message, the last lines of its log, or what SLURM did to it."""
    known = {job.name for job in jobs(preset)}
    ended = slurm_jobs.explain(log.read_text(), where.folder) if where.slurm else {}
    for name in [n for n in failed if n in known]:
        path = Path(f"logs/{preset.name}/{name}.log")
        text = path.read_text() if path.exists() else ""
        message = ended.get(name) or _message(text)
        print(f"\njob {name} failed ({path}):\n{message}", file=sys.stderr)
    if not failed:
        print(f"\nSnakemake failed: see the end of {log}", file=sys.stderr)
        print("\n".join(log.read_text().splitlines()[-12:]), file=sys.stderr)
    print("\nWhat is done is kept: run the same command to go on.", file=sys.stderr)


def _message(text: str) -> str:
    """What a job's log says of its failure."""
    for mark in ("nsgf: ", "Traceback (most recent call last)"):
        if (start := text.rfind(mark)) >= 0:
            return text[start:].rstrip()
    return "It ended without a word: it was killed, or memory ran out, or the disk is full."


def _interrupt(*_) -> None:
    """SIGTERM ends a run as Ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

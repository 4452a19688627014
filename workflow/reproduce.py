"""Run a preset from a fresh machine to its report; what `make reproduce` and `dvc repro` call.

Snakemake owns the DAG. The driver validates the preset first, so that a typing mistake costs a
second and one message; clears a lock that a killed run left behind; shows one progress line instead
of Snakemake's log (which goes to logs/<preset>/snakemake.log); and makes the HTML report.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import archive
import snakemake_run
from failures import explain
from intact import refuse_damaged
from locks import clear_stale_lock, only_run
from where import Where

from nsgf.artifact import write_json
from nsgf.config.base import load
from nsgf.config.find import preset_file
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs, targets
from nsgf.engine.task import Job
from nsgf.errors import NsgfError
from nsgf.ops import timeline
from nsgf.ops.timing import timing


def main() -> int:
    """Reproduce a preset; the exit code is Snakemake's."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        where = Where(arguments.profile, arguments.cores)
        request = Request.of(arguments.preset, arguments.only or None, arguments.complete)
        return reproduce(request, where, arguments.dry_run)
    except NsgfError as error:
        print(f"nsgf: {error}", file=sys.stderr)
    except OSError as error:
        what = f" '{error.filename}'" if error.filename else ""
        print(f"nsgf: cannot read or write{what}: {error.strerror}", file=sys.stderr)
        print("  mend  free some space or check whose it is, then run it again", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped. What is done is kept: run the same command to go on.", file=sys.stderr)
        return 130
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="quick", help="quick, cpu, paper, or a file")
    parser.add_argument("--only", default=None, help="one study, such as table1")
    parser.add_argument("--cores", default=str(os.cpu_count()), help="jobs at a time, if local")
    parser.add_argument("--profile", default="default", help="where jobs run: default, slurm, ...")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would run")
    parser.add_argument(
        "--complete", action="store_true", help="also make what is missing behind finished results"
    )
    return parser


@dataclass(frozen=True)
class Request:
    """What is to be reproduced.

    Attributes:
        file, preset: the preset.
        only: a study of it, None for all.
        complete: whether pools and the like, which no archive kept, are built again too.
    """

    file: Path
    preset: Preset
    only: str | None
    complete: bool

    @classmethod
    def of(cls, name: str, only: str | None, complete: bool) -> "Request":
        """The request for a preset by its name or file.

        Raises:
            NsgfError: there is no such preset, it is not possible, or it has another's name.
        """
        file = preset_file(name)
        preset = load(file, Preset)
        if preset.name != file.stem:
            raise NsgfError(
                f"'{file}' says `name: {preset.name}`: its results would go to another preset's"
                " folder",
                f"write `name: {file.stem}`",
            )
        return cls(file, preset, only, complete)

    @property
    def settings(self) -> list[str]:
        """What the workflow is told."""
        words = ["--config", f"preset={self.preset.name}", f"preset_file={self.file}"]
        words += [f"only={self.only}"] if self.only else []
        return [*words, "complete=1"] if self.complete else words

    @property
    def log(self) -> Path:
        """Snakemake's log."""
        return Path(f"logs/{self.preset.name}/snakemake.log")

    @property
    def page(self) -> Path:
        """The HTML report."""
        ending = f"-{self.only}" if self.only else ""
        return Path(f"results/{self.preset.name}/report{ending}.html")


def reproduce(request: Request, where: Where, dry_run: bool = False) -> int:
    """Run everything that is asked for, then report; the exit code is Snakemake's.

    Raises:
        NsgfError: there is no such study, another run is under way in this folder, or files are
            damaged.
    """
    wanted, begun = targets(request.preset, request.only), time.time()
    words = [*where.words(dry_run), *request.settings]
    with only_run():
        clear_stale_lock()
        if dry_run:
            return snakemake_run.dry_run(words)
        every = jobs(request.preset)
        refuse_damaged(every)
        with where:
            ended = _run_jobs(request, every, words)
        if ended.code:
            explain(ended.failed, {job.name for job in every}, request.log, where)
            return ended.code
        cost = _kept_cost(request, every, ended, begun, where)
        made = snakemake_run.report(request.page, wanted, request.settings, request.log)
        if request.complete and not request.only:
            archive.make_outputs(request.preset.name)
    _tell(request, ended.done, made, _summary(cost, where))
    return 0


def _run_jobs(request: Request, every: Sequence[Job], words: list[str]) -> snakemake_run.Ended:
    """Run what is asked for, up to the first failure."""
    if holes := archive.holes(every) if request.complete else []:
        # First and alone: Snakemake would run again all that rests on what it makes anew.
        print(f"Building again {len(holes)} files that no archive kept")
        ended = snakemake_run.run([*holes, *words], request.log)
        if ended.code:
            return ended
    return snakemake_run.run(words, request.log)


def _kept_cost(
    request: Request,
    every: Sequence[Job],
    ended: snakemake_run.Ended,
    begun: float,
    where: Where,
) -> dict:
    """What the run cost, kept beside the timings of its jobs if there were any."""
    # On SLURM memory and cores are those of this machine alone.
    cost = {"wall_s": ended.cost["wall_s"]} if where.slurm else dict(ended.cost)
    taken = (timing(request.preset.name, job.name) for job in every)
    cost["jobs_s"] = round(sum(t.seconds for t in taken if t and t.end >= begun), 1)
    if ended.done:
        write_json(Path(f"results/{request.preset.name}/timings/run.json"), cost)
        timeline.run(request.file)
    return cost


def _summary(cost: dict, where: Where) -> str:
    took = f"{cost['wall_s'] / 60:.1f} min,"
    if where.slurm:
        return f"{took} of which SLURM ran theirs for {cost['jobs_s'] / 60:.1f} min in all"
    busy = 100 * cost["busy_fraction"]
    return f"{took} peak memory {cost['peak_rss_mb']:.0f} MB, cores busy {busy:.0f} %"


def _tell(request: Request, done: int, reported: bool, summary: str) -> None:
    """The closing lines."""
    name = request.preset.name
    if done:
        print(f"{done} jobs in {summary}")
    elif not reported:
        print(f"Nothing to do: preset {name} is complete.")
    for study in request.preset.studies if request.only is None else [request.only]:
        print(f"  {study}  results/{name}/tables/{study}.md")
    print(f"  report  {request.page}")


def _interrupt(*_) -> None:
    """SIGTERM ends a run as Ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

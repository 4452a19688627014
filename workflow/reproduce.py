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
from pathlib import Path

import snakemake_run
from before import forget_outdated, holes, only_run, refuse_damaged, warn_of_scarcity
from failures import explain
from where import Where

from nsgf import numerics
from nsgf.artifact import write_json
from nsgf.config.base import read_yaml
from nsgf.config.find import preset_file
from nsgf.engine.dag import jobs, targets
from nsgf.engine.lineage import needed, unfinished
from nsgf.engine.task import Job
from nsgf.errors import NsgfError
from nsgf.layout import Layout
from nsgf.ops import timeline
from nsgf.ops.audit.dvc import PIPELINE, outputs
from nsgf.ops.plan.forecast import any_forecast
from nsgf.ops.ready import ready
from nsgf.ops.timing import timing


def main() -> int:
    """Reproduce a preset; the exit code is Snakemake's."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends a run as Ctrl-C does
    try:
        numerics.apply(numerics.best())  # of what the driver times; jobs see to theirs
        where = Where(arguments.profile, arguments.cores)
        request = Request(arguments.preset, arguments.only or None, arguments.complete)
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
    parser.add_argument("--only", default=None, help="a study, such as table1 or table1/moons")
    parser.add_argument("--cores", default=str(os.cpu_count()), help="jobs at a time, if local")
    parser.add_argument("--profile", default="default", help="where jobs run: default, slurm, ...")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would run")
    parser.add_argument(
        "--complete", action="store_true", help="also make what is missing behind finished results"
    )
    return parser


class Request:
    """What is to be reproduced.

    Attributes:
        file, preset: the preset, named by its name or file, or a part of it.
        complete: whether pools and the like, which no archive kept, are built again too.
        settings: all of that, as the workflow is told.
        log, technical, page: Snakemake's log, its own report, and ours.

    Raises:
        NsgfError: there is no such preset, or no such part of it, or as `ready`.
    """

    def __init__(self, preset: str, only: str | None, complete: bool):
        self.file, self.complete = preset_file(preset), complete
        self.preset = ready(self.file).part(only)
        name = self.preset.name
        self.settings = ["--config", f"preset={name}", f"preset_file={self.file}"]
        self.settings += [f"only={only}"] if only else []
        self.settings += ["complete=1"] if complete else []
        self.log = Path(f"logs/{name}/snakemake.log")
        part = self.preset.publication.removeprefix(name)
        self.technical = Path(f"results/{name}/technical{part}.html")
        self.page = Path(f"results/{name}/report{part}.html")


def reproduce(request: Request, where: Where, dry_run: bool = False) -> int:
    """Run everything that is asked for, then report; the exit code is Snakemake's.

    Raises:
        NsgfError: another run is under way in this folder, or files are damaged.
    """
    wanted, begun = targets(request.preset), time.time()
    words = [*where.words(dry_run), *request.settings]
    with only_run():
        if dry_run:
            return snakemake_run.dry_run(words)
        every = jobs(request.preset)
        asked = needed(every, targets(request.preset, request.complete))
        refuse_damaged(asked)
        forget_outdated(every, Layout(f"results/{request.preset.name}"))
        left = {job.name for job in unfinished(every, targets(request.preset, request.complete))}
        if left and not where.slurm:
            planned = any_forecast(request.preset, local=True)  # where one sees what it measures
            soon = [job for job in planned if job.job.name in left]
            warn_of_scarcity(soon)
            where.say_how_long(soon, request.preset.name)
        with where:
            ended = _run_jobs(asked if request.complete else [], words, request.log)
        if ended.code:
            explain(request.log, where)
            return ended.code
        # On SLURM memory and cores are those of this machine alone.
        cost = {"wall_s": ended.cost["wall_s"]} if where.slurm else dict(ended.cost)
        taken = (timing(request.preset.name, job.name) for job in every)
        cost["jobs_s"] = round(sum(t.seconds for t in taken if t and t.end >= begun), 1)
        if ended.done:
            write_json(Path(f"results/{request.preset.name}/timings/run.json"), cost)
            timeline.draw(request.preset)
            timeline.draw_cost(request.preset)
        made = snakemake_run.report(request.technical, wanted, request.settings, request.log)
        if request.complete and request.preset.only is None:
            _make_outputs(request.preset.name)
    _tell(request, ended.done, made, cost)
    return 0


def _run_jobs(complete: Sequence[Job], words: list[str], log: Path) -> snakemake_run.Ended:
    """Run what is asked for, up to the first failure; `complete` are to have all their files."""
    if missing := holes(complete):
        # First and alone: Snakemake would run again all that rests on what it makes anew.
        print(f"Building again {len(missing)} files that no archive kept")
        ended = snakemake_run.run([*missing, *words], log)
        if ended.code:
            return ended
    return snakemake_run.run(words, log)


def _make_outputs(preset: str) -> None:
    """Make the folders that dvc.yaml names as outputs and that this preset has nothing for.

    DVC refuses a stage without them, after the whole run; an empty folder is an output like others.
    Only a complete run may do so: elsewhere a missing folder is one that was not restored, and an
    empty one in its place would be an altered one.
    """
    pipeline = Path(PIPELINE)
    for folder in outputs(read_yaml(pipeline) if pipeline.exists() else {}, preset):
        Path(folder).mkdir(parents=True, exist_ok=True)


def _tell(request: Request, done: int, reported: bool, cost: dict) -> None:
    """The closing lines."""
    name, took = request.preset.name, f"{done} jobs in {cost['wall_s'] / 60:.1f} min,"
    if not (done or reported):
        print(f"Nothing to do: preset {name} is complete.")
    elif done and "busy_fraction" not in cost:
        print(f"{took} of which SLURM ran theirs for {cost['jobs_s'] / 60:.1f} min in all")
    elif done:
        busy = 100 * cost["busy_fraction"]
        print(f"{took} peak memory {cost['peak_rss_mb']:.0f} MB, cores busy {busy:.0f} %")
    from nsgf.ops.page import run as page  # loads numpy, as what follows does
    from nsgf.ops.page.contents import Contents

    line = None
    if not request.preset.data:  # nobody else has such data
        from nsgf.ops.audit.run import glance

        line = glance(request.preset, request.file)
    if done or reported or not request.page.exists():
        contents = Contents(request.preset, request.page.parent)
        page.write(request.page, contents, line)
        print(f"\n{page.summary(contents)}\n")
    for study in request.preset.running:
        print(f"  {study}  results/{name}/tables/{study}.md")
    print(f"  report  {request.page}")
    if line:
        print(line)


if __name__ == "__main__":
    sys.exit(main())

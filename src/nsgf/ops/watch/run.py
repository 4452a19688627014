"""`nsgf watch`: follow a run until it ends; Ctrl-C leaves it as it is."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.ops.text import duration
from nsgf.ops.watch.signs import squeue
from nsgf.ops.watch.state import JobState, Snapshot, is_alive, take

EVERY_S = 1.0
QUEUE_EVERY = 10  # looks at the files between two questions to SLURM, which serves others too
PASSING = ("elapsed_s", "eta_s")  # differ at each look, and make no news
SHOWN = {"running": "green", "queued": "yellow", "failed": "red", "stopped": "red"}
HEADER = ("job", "state", "units", "step", "rate", "loss", "elapsed", "ETA", "where")


def run(preset: Path, as_json: bool, once: bool, wait: bool) -> None:
    """Show where the jobs of `preset` stand, until no run is alive.

    Args:
        preset: the preset's file.
        as_json: one line of JSON for each job that has changed, and for the summary.
        once: look once.
        wait: where no run is alive yet, wait for one.
    """
    looks = _looks(load(preset, Preset), once, wait)
    try:
        _print_lines(looks) if as_json else _draw(looks)
    except KeyboardInterrupt:
        print(file=sys.stderr)


def _looks(preset: Preset, once: bool, wait: bool) -> Iterator[Snapshot]:
    """Snapshots, the last one after the run has ended."""
    every, queue, count = jobs(preset), {}, 0
    while wait and not is_alive():
        time.sleep(EVERY_S)
    while True:
        queue = squeue() if count % QUEUE_EVERY == 0 else queue
        snapshot = take(preset, every, queue)
        yield snapshot
        if once or not snapshot.alive:
            return
        count += 1
        time.sleep(EVERY_S)


def _print_lines(looks: Iterator[Snapshot]) -> None:
    told: dict[str, dict] = {}
    for snapshot in looks:
        lines = [{"type": "job"} | asdict(job) for job in snapshot.jobs]
        lines.append({"type": "summary"} | snapshot.summary())
        for line in lines:
            news = {k: v for k, v in line.items() if k not in PASSING}
            if told.get(line.get("job", "")) != news:
                told[line.get("job", "")] = news
                print(json.dumps(line), flush=True)


def _draw(looks: Iterator[Snapshot]) -> None:
    with Live(console=Console(), auto_refresh=False) as live:
        for snapshot in looks:
            live.update(_table(snapshot), refresh=True)


def _table(snapshot: Snapshot) -> RenderableType:
    """Jobs that are under way or went wrong; the others are counted in the line above."""
    counts = ", ".join(f"{n} {state}" for state, n in snapshot.counts().items() if n)
    times = f"{_time(snapshot.elapsed_s)} since the first job"
    times += f", {_time(snapshot.eta_s)} to go" if snapshot.eta_s is not None else ""
    what = "" if snapshot.alive else "nothing is running; "
    above = Text(f"{snapshot.preset}: {what}{counts}; {times}", style="bold")
    shown = Table(box=None)
    for k, name in enumerate(HEADER):
        shown.add_column(name, justify="left" if k in (0, 1, 8) else "right", no_wrap=True)
    for state, colour in SHOWN.items():
        for job in snapshot.jobs:
            if job.state == state:
                shown.add_row(*_cells(job), style=colour)
    return Group(above, shown) if shown.row_count else above


def _cells(job: JobState) -> tuple[str, ...]:
    return (
        job.job,
        job.state,
        f"{job.units_done}/{job.units}",
        f"{job.step}/{job.of}" if job.of else "-",
        f"{job.rate:.3g}/s" if job.rate else "-",
        "-" if job.loss is None else f"{job.loss:.4g}",
        _time(job.elapsed_s),
        _time(job.eta_s),
        job.where or "",
    )


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds)

"""A snapshot as a table for people."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nsgf.ops.text import duration
from nsgf.ops.watch.state import JobState, Snapshot

SHOWN = ("running", "queued", "failed", "stopped")
COLOURS = {"running": "green", "queued": "yellow", "failed": "red", "stopped": "red"}
HEADER = ("job", "state", "units", "step", "rate", "loss", "elapsed", "ETA", "where")


def table(snapshot: Snapshot) -> RenderableType:
    """Jobs that are under way or went wrong; the others are counted in the line above."""
    counts = ", ".join(f"{n} {state}" for state, n in snapshot.counts().items() if n)
    times = f"{_time(snapshot.elapsed_s)} since the first job"
    times += f", {_time(snapshot.eta_s)} to go" if snapshot.eta_s is not None else ""
    what = "" if snapshot.alive else "nothing is running; "
    above = Text(f"{snapshot.preset}: {what}{counts}; {times}", style="bold")
    shown = Table(box=None)
    for k, name in enumerate(HEADER):
        shown.add_column(name, justify="left" if k in (0, 1, 8) else "right", no_wrap=True)
    for state in SHOWN:
        for job in snapshot.jobs:
            if job.state == state:
                shown.add_row(*_cells(job), style=COLOURS[state])
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

"""`nsgf timeline`: when each job of the last run ran, and what trainings cost."""

from pathlib import Path

from nsgf.artifact import atomic, write_text
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.task import Job
from nsgf.layout import Layout
from nsgf.ops.timing import Timing, timing


def run(preset: Path) -> None:
    """Write results/<preset>/timings/{timeline,cost}.{csv,png} from the times of jobs."""
    whole = load(preset, Preset)
    draw(whole)
    draw_cost(whole)


def draw(whole: Preset) -> None:
    """The first of them, of a preset or a part of one."""
    known = [(job, timing(whole.name, job.name)) for job in jobs(whole)]
    ran = sorted(((job, t) for job, t in known if t), key=lambda pair: pair[1].start)
    first = ran[0][1].start if ran else 0.0
    lines = [
        f"{job.name},{job.stage},{t.start - first:.1f},{t.end - first:.1f},{t.peak_mb or 0:.0f}"
        for job, t in ran
    ]
    folder = Path(Layout(f"results/{whole.name}").path("timings"))
    head = "job,stage,start_s,end_s,peak_rss_mb"
    write_text(folder / "timeline.csv", "\n".join([head, *lines, ""]))
    _draw(ran, first, folder / "timeline.png", whole.title)


def draw_cost(whole: Preset) -> None:
    """The second."""
    from nsgf.ops import cost  # numpy, which the driver's numerics must come before

    cost.draw(whole)


def _draw(ran: list[tuple[Job, Timing]], first: float, path: Path, title: str) -> None:
    from matplotlib.figure import Figure
    from seaborn import color_palette

    stages = list(dict.fromkeys(job.stage for job, _ in ran))
    figure = Figure(figsize=(8, 0.8 + 0.17 * len(ran)), layout="constrained")
    axes = figure.subplots()
    for stage, colour in zip(stages, color_palette("colorblind", len(stages)), strict=True):
        mine = [(k, t) for k, (job, t) in enumerate(ran) if job.stage == stage]
        rows, times = zip(*mine, strict=True)
        begun = [(t.start - first) / 60 for t in times]
        axes.barh(rows, [t.seconds / 60 for t in times], left=begun, color=colour, label=stage)
    axes.set_yticks(range(len(ran)), [job.name for job, _ in ran], fontsize=6)
    axes.invert_yaxis()
    axes.set_xlabel("minutes")
    axes.set_title(title, fontsize=9)
    axes.legend(fontsize=7, frameon=False)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=130)

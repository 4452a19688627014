"""`nsgf timeline`: when each job of the last run ran, as a table and a chart."""

import csv
from pathlib import Path

from nsgf.artifact import atomic, write_text
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.task import Job
from nsgf.layout import Layout

Span = tuple[Job, float, float, float]  # job, start and end in seconds, peak memory in MB


def run(preset: Path) -> None:
    """Write results/<preset>/timings/timeline.{csv,png} from the benchmark files."""
    whole = load(preset, Preset)
    layout = Layout(f"results/{whole.name}")
    spans = _spans(layout, jobs(whole))
    lines = [f"{j.name},{j.stage},{a:.1f},{b:.1f},{mb:.0f}" for j, a, b, mb in spans]
    folder = Path(layout.root) / "timings"
    write_text(
        folder / "timeline.csv", "\n".join(["job,stage,start_s,end_s,peak_rss_mb", *lines, ""])
    )
    _draw(spans, folder / "timeline.png", whole.title)


def _spans(layout: Layout, every: list[Job]) -> list[Span]:
    """A benchmark file is written when its job ends, and holds how long it took."""
    found = []
    for job in every:
        path = Path(layout.timing(job.name))
        if path.exists():
            with path.open() as handle:
                row = next(csv.DictReader(handle, delimiter="\t"))
            end = path.stat().st_mtime
            memory = 0.0 if row["max_rss"] in ("-", "NA") else float(row["max_rss"])
            found.append((job, end - float(row["s"]), end, memory))
    first = min((start for _, start, _, _ in found), default=0.0)
    return sorted(((j, a - first, b - first, m) for j, a, b, m in found), key=lambda s: s[1])


def _draw(spans: list[Span], path: Path, title: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    stages = list(dict.fromkeys(job.stage for job, *_ in spans))
    colours = dict(zip(stages, sns.color_palette("colorblind", len(stages)), strict=True))
    figure, axes = plt.subplots(figsize=(8, 0.8 + 0.17 * len(spans)), layout="constrained")
    for row, (job, start, end, _) in enumerate(spans):
        axes.barh(row, (end - start) / 60, left=start / 60, color=colours[job.stage])
    axes.set_yticks(range(len(spans)), [job.name for job, *_ in spans], fontsize=6)
    axes.invert_yaxis()
    axes.set_xlabel("minutes")
    axes.set_title(title, fontsize=9)
    handles = [plt.Rectangle((0, 0), 1, 1, color=colours[s]) for s in stages]
    axes.legend(handles, stages, fontsize=7, frameon=False)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=130)
    plt.close(figure)

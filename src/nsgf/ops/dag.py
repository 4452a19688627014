"""`nsgf dag` and `nsgf check`: the stages of a preset, what each reads, its jobs and units."""

from pathlib import Path

from nsgf.artifact import atomic
from nsgf.engine.dag import jobs
from nsgf.engine.task import Job
from nsgf.ops.ready import ready
from nsgf.registry import STAGES


def run(preset: Path, picture: Path | None = None) -> None:
    """Print a line a stage, or draw stages as boxes with arrows along the data.

    Raises:
        NsgfError: as `ready`.
    """
    every = jobs(ready(preset))
    print(f"{preset}: {len(every)} jobs")
    rows = summary(every)
    for stage, (count, units, before) in rows.items():
        after = f"  after {', '.join(before)}" if before else ""
        print(f"{stage:<16}{count:>5} jobs {units:>6} units{after}")
    if picture:
        draw(rows, picture)


def summary(every: list[Job]) -> dict[str, tuple[int, int, list[str]]]:
    """Jobs, units and the stages before, of each stage."""
    maker = {path: job.stage for job in every for path in job.outputs}
    rows = {}
    for stage in STAGES:
        mine = [job for job in every if job.stage == stage]
        before = {maker[path] for job in mine for path in job.inputs if path in maker}
        if mine:
            units = sum(len(job.tasks) for job in mine)
            rows[stage] = len(mine), units, [b for b in STAGES if b in before]
    return rows


def arrows(rows: dict[str, tuple[int, int, list[str]]]) -> dict[str, list[str]]:
    """Of each stage, the stages before it that no other one stands between.

    Stages that read of each other, such as what draws samples and what gathers those that jobs
    share, stand in the order of the data.
    """
    names, behind, found = list(rows), {}, {}
    for k, (stage, (_, _, before)) in enumerate(rows.items()):
        mine = [b for b in before if b in names[:k]]
        behind[stage] = {*mine, *(far for b in mine for far in behind[b])}
        found[stage] = [b for b in mine if not any(b in behind[other] for other in mine)]
    return found


def draw(rows: dict[str, tuple[int, int, list[str]]], path: Path) -> None:
    """Stages in columns by how far they are from the data."""
    from matplotlib.figure import Figure

    level, before = {}, arrows(rows)
    for stage in rows:
        level[stage] = 1 + max((level[b] for b in before[stage]), default=-1)
    columns = [[s for s in rows if level[s] == k] for k in range(max(level.values()) + 1)]
    tall = max(map(len, columns))
    figure = Figure(figsize=(1.9 * len(columns), 0.9 * tall), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(-0.6, tall - 0.4))
    place = {
        s: (k, tall / 2 - len(column) / 2 + i)
        for k, column in enumerate(columns)
        for i, s in enumerate(column)
    }
    for stage, (count, units, _) in rows.items():
        box = {"boxstyle": "round", "facecolor": "#eef3f8", "edgecolor": "#7a8793"}
        words = f"{stage}\n{count} jobs, {units} units"
        axes.text(*place[stage], words, ha="center", va="center", fontsize=8, bbox=box, zorder=2)
        for other in before[stage]:
            style = {"arrowstyle": "->", "color": "#7a8793", "shrinkA": 30, "shrinkB": 30}
            axes.annotate("", place[stage], place[other], arrowprops=style, zorder=1)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=150)

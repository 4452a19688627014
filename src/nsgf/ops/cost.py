"""What a training cost beside what it came to, for every cell of a run, as a table and a chart.

Seconds are a process's own: of the pool and of all networks that a cell draws with, by which others
go on too, as one training seed made them, one thread each, beside whatever else ran. A seed that
was resumed after a kill has no time that means anything and is left out.
"""

from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import pandas as pd

from nsgf.artifact import atomic, read_json, sidecar, write_text
from nsgf.config.preset import Preset
from nsgf.engine.branch import Branch, Placed
from nsgf.engine.dag import Outline
from nsgf.engine.task import Unit
from nsgf.layout import Layout
from nsgf.metrics.interval import student_t
from nsgf.registry import DATASETS
from nsgf.report.paired import by_seed

COST = "cost.csv"
# The first of these that was measured.
PREFERRED = ("sw2_debiased", "w2", "log10_symkl", "energy", "fid", "fd_effnet_lite0")
WIDTH, HEIGHT, LINE = 3.2, 2.6, 0.16  # inches of a panel, and of a line of the legend


def draw(preset: Preset) -> None:
    """Write results/<preset>/timings/cost.{csv,png} of the cells that are finished, if any are."""
    outline = Outline(preset)
    folder = Path(Layout(f"results/{preset.name}").path("timings"))
    rows = [row for branch in outline.branches for row in _rows(branch)]
    if (folder / COST).exists():  # what was restored has left no times here
        timed = {(row["study"], row["dataset"], row["cell"]) for row in rows}
        placed = {(b.name, b.dataset, p.cell.path): p for b in outline.branches for p in b.cells}
        for row in pd.read_csv(folder / COST).to_dict("records"):
            key = (row["study"], row["dataset"], row["cell"])
            if key in placed.keys() - timed and Path(f"{placed[key].metrics}.json").is_file():
                rows.append(row)
    if not rows:
        return
    found = pd.DataFrame(rows)
    write_text(folder / COST, found.to_csv(index=False, float_format="%.6g"))
    _draw(found, folder / "cost.png", preset.title)


def _rows(branch: Branch) -> Iterator[dict]:
    for placed in branch.cells:
        file = Path(f"{placed.metrics}.json")
        each = [t for unit in branch.seeds if (t := _seconds(branch, placed, unit))]
        if not (file.is_file() and each):
            continue
        body = read_json(file)
        named = [row["metric"] for one in body["sets"] for row in one["metrics"]]
        metric = next((m for m in PREFERRED if m in named), named[0])
        interval = student_t([*by_seed(body, metric).values()])
        yield {
            "study": branch.name,
            "dataset": branch.dataset,
            "method": placed.cell.name,
            "label": placed.cell.label,
            "cell": placed.cell.path,
            "pool_s": mean(pool for pool, _ in each),
            "train_s": mean(train for _, train in each),
            "seconds": mean(pool + train for pool, train in each),
            "timed": len(each),
            "metric": metric,
            "mean": interval.mean,
            "ci_low": interval.low,
            "ci_high": interval.high,
        }


def _seconds(branch: Branch, placed: Placed, unit: Unit) -> tuple[float, float] | None:
    """Of one seed's pool and networks; None where one was resumed, or has left no time."""
    shards = range(placed.cell.pool.shards) if placed.pool else ()
    pools = [placed.pool.format(**unit, shard=k) for k in shards]
    models = [template.format(**unit) for template in placed.models.values()]
    told = [(branch.layout.seconds(p), f"{p}/flow.json") for p in pools]
    told += [(branch.layout.seconds(p), p) for p in models]
    times = []
    for seconds, artefact in told:
        account = sidecar(artefact)
        if not (Path(seconds).is_file() and account.is_file()):
            return None
        if read_json(account)["facts"].get("resumed_at"):
            return None
        times.append(read_json(Path(seconds))["seconds"])
    return sum(times[: len(pools)]), sum(times[len(pools) :])


def _draw(found: pd.DataFrame, path: Path, title: str) -> None:
    """A panel for each study and data set: the metric over seconds, a line a row."""
    import seaborn
    from matplotlib.figure import Figure

    places = list(dict.fromkeys(zip(found["study"], found["dataset"], strict=True)))
    methods = dict.fromkeys(found["method"])
    colours = dict(zip(methods, seaborn.color_palette("colorblind", len(methods)), strict=True))
    across = min(3, len(places))
    down = -(-len(places) // across)
    size = (across * WIDTH, down * HEIGHT + LINE * len(methods) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).flatten()
    lines = {}
    for axes, (study, dataset) in zip(panels, places, strict=False):
        here = found[(found["study"] == study) & (found["dataset"] == dataset)]
        for method, colour in colours.items():
            mine = here[here["method"] == method].sort_values("seconds")
            if mine.empty:
                continue
            line = axes.plot(mine["seconds"], mine["mean"], "o-", color=colour, ms=3, lw=1)
            axes.vlines(mine["seconds"], mine["ci_low"], mine["ci_high"], color=colour, lw=1)
            lines.setdefault(mine["label"].iloc[0], line[0])
        axes.set_xscale("log")
        axes.set_title(f"{study}, {DATASETS[dataset].label}", fontsize=8)
        axes.set_ylabel(here["metric"].iloc[0], fontsize=7)
        axes.set_xlabel("seconds of a training, pool included", fontsize=7)
        axes.tick_params(labelsize=6)
    for axes in panels[len(places) :]:
        axes.set_visible(False)
    figure.legend(lines.values(), lines, loc="outside lower left", fontsize=7, frameon=False)
    figure.suptitle(title, fontsize=8)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=130)

"""Error against time: a curve for each solver over its efforts, a panel for each case."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import seaborn
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from nsgf.artifact import atomic
from nsgf.ops.bench.measure import Measurement
from nsgf.ops.bench.solvers import SOLVERS
from nsgf.report.style import DPI, FONT, GREY, SMALL, look

PANEL, HEIGHT = 4.4, 4.2  # inches
COLUMNS = 2  # of the legend, for each panel
LARGE = "in brackets what the numbers are; large: the table's effort"
MARKERS = "os^Dvp*hXP"
APART = 0.1  # decades between two labelled points of a curve


@look()
def draw(path: Path, curves: Sequence[Sequence[Measurement]], machine: str) -> None:
    """Write the plot, a .png or .pdf.

    Args:
        path: where to.
        curves: of each case, solver by solver.
        machine: threads and processor, for the title.
    """
    figure = Figure(figsize=(PANEL * len(curves), HEIGHT), layout="constrained")
    panels = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
    for axes, measured in zip(panels, curves, strict=True):
        _panel(axes, measured)
    panels[0].set_ylabel("largest relative error along the flow")
    shown = {word: mark for axes in panels for mark, word in _marks(axes)}
    columns = min(len(shown), COLUMNS * len(panels))
    place = {"loc": "outside lower center", "ncols": columns, "frameon": False}
    legend = figure.legend(shown.values(), shown.keys(), fontsize=SMALL, title=LARGE, **place)
    legend.get_title().set_fontsize(SMALL)
    figure.suptitle(f"Sinkhorn velocities, {machine}", fontsize=FONT)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=DPI[path.suffix[1:]])


def _marks(axes: Axes) -> Iterator[tuple[Artist, str]]:
    return zip(*axes.get_legend_handles_labels(), strict=True)


def _panel(axes: Axes, measured: Sequence[Measurement]) -> None:
    for name, group in groupby(measured, key=lambda m: m.method.solver):
        _curve(axes, name, list(group))
    axes.set(xscale="log", yscale="log", xlabel="milliseconds per velocity")
    axes.set_title(measured[0].case.text, fontsize=SMALL)
    axes.margins(0.12)
    axes.grid(which="major", color="#e6e6e6", linewidth=0.5)
    axes.tick_params(which="both", length=2, width=0.5, color=GREY, left=True, bottom=True)


def _curve(axes: Axes, name: str, points: Sequence[Measurement]) -> None:
    solver, rank = SOLVERS[name], list(SOLVERS).index(name)
    style = {"color": seaborn.color_palette("colorblind")[rank], "marker": MARKERS[rank]}
    at = {m.method.effort: (m.ms_per_velocity, m.max_rel_error) for m in points}
    label = f"{solver.label} ({solver.dial})"
    axes.plot(*zip(*at.values(), strict=True), linewidth=1.1, markersize=3.5, label=label, **style)
    within = [m.method.effort for m in points if m.is_within_goal]
    default = within[0] if within else points[-1].method.effort
    axes.plot(*at[default], markersize=7, **style)
    corner = {"xytext": (4, 4), "ha": "left", "va": "bottom"}  # of points, where curves lie close
    if rank % 4 >= 2:
        corner = {"xytext": (-4, -4), "ha": "right", "va": "top"}
    labelled = []
    for effort in sorted(at, key=lambda effort: effort != default):
        place = [math.log10(value) for value in at[effort]]
        if all(math.dist(place, other) > APART for other in labelled):
            labelled.append(place)
            axes.annotate(
                f"{effort:g}",
                at[effort],
                textcoords="offset points",
                fontsize=SMALL - 1.5,
                color=GREY,
                path_effects=[withStroke(linewidth=2, foreground="white")],
                **corner,
            )

"""How wrong the training targets were: relative error of velocities along the flow, and W2.

A panel for each data set with a line for each solver setting, the geometric mean over minibatch
problems with its Student-t interval, as fits a logarithmic axis; then, where NSGF was trained on
both, W2 with exact targets less W2 with GeomLoss's.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from nsgf.artifact import read_json
from nsgf.config.figure import Figure, FigureStage
from nsgf.metrics.interval import student_t
from nsgf.registry import DATASETS
from nsgf.report.style import GREY, INK, SMALL, Drawing, Sheet

COLUMNS = 4
WIDTH, HEIGHT, GAP = 1.45, 2.0, 0.1  # inches: of a panel, and between panels
LEFT, TOP, BELOW, LINE = 0.5, 0.22, 0.42, 0.18
PITCH = TOP + HEIGHT + BELOW
OURS, FAINT = "#d55e00", "#e4e4e4"
MARKS = "os^Dv"
SMALLEST = 1e-12  # of an error that is shown
PLATE = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
ENDS = ["change", "change_low", "change_high"]
Setting = tuple[str, float | None]  # solver and scaling; None for one that converges
Band = tuple[np.ndarray, np.ndarray, np.ndarray]  # middle, low, high; each (T,)


def draw(settings: FigureStage, figure: Figure, files: Mapping) -> Drawing:
    """Rows of four panels from left to right; the change of W2 takes the last place.

    Args:
        settings, figure: as in every kind.
        files: the `errors` of each data set's targets, and the `table` that rests on them.
    """
    panels = _bands(files["errors"], settings.judging.confidence)
    changes = pd.read_csv(files["table"]).dropna(subset="change").set_index("dataset")
    changes = changes.loc[[d for d in panels if d in changes.index], ENDS]
    places = len(panels) + (not changes.empty)
    columns, rows = min(COLUMNS, places), -(-places // COLUMNS)
    sheet = Sheet(settings, LEFT + columns * (WIDTH + GAP), rows * PITCH)
    styles = _styles(list(dict.fromkeys(s for lines in panels.values() for s in lines)))
    limits = _limits(panels.values())
    for i, (dataset, lines) in enumerate(panels.items()):
        axes = _place(sheet, i, DATASETS[dataset].label)
        _draw_lines(axes, lines, styles)
        _scale(axes, limits, labelled=i % COLUMNS == 0)
    if not changes.empty:
        _draw_changes(_place(sheet, len(panels), "NSGF trained on both"), changes)
    _legend(sheet, rows * PITCH, styles)
    return sheet.drawing


def _bands(files: Sequence[Path], confidence: float) -> dict[str, dict[Setting, Band]]:
    """The error of each setting along the flow, by data set."""
    return {
        body["dataset"]: {
            (s["backend"], s["scaling"]): band(
                np.array([p["relative"] for p in s["problems"]]), confidence
            )
            for s in body["settings"]
        }
        for body in map(read_json, files)
    }


def band(errors: np.ndarray, confidence: float) -> Band:
    """Geometric mean over problems and its interval at each step; errors is (problems, T)."""
    logs = np.log(np.maximum(errors, SMALLEST))
    found = [student_t(column.tolist(), confidence) for column in logs.T]
    return tuple(np.exp([getattr(f, name) for f in found]) for name in ("mean", "low", "high"))


def _styles(settings: Sequence[Setting]) -> dict[Setting, dict]:
    """GeomLoss in blues, darker the more exact; what converges in orange."""
    annealed = sorted((s for s in settings if s[1] is not None), key=lambda s: s[1])
    blues = seaborn.color_palette("blend:#8fc1e3,#0b3c6f", len(annealed))
    styles = {
        s: {"color": blue, "marker": mark, "label": f"GeomLoss, scaling {s[1]:.2f}"}
        for s, blue, mark in zip(annealed, blues, MARKS * len(annealed), strict=False)
    }
    converging = [s for s in settings if s[1] is None]
    styles |= {s: {"color": OURS, "marker": "D", "label": "ours, float32"} for s in converging}
    return {s: style | {"markersize": 2.4, "linewidth": 0.9} for s, style in styles.items()}


def _limits(bands: Iterable[Mapping[Setting, Band]]) -> tuple[float, float]:
    values = np.concatenate([np.concatenate(b) for lines in bands for b in lines.values()])
    values = values[np.isfinite(values)]
    return values.min() / 1.6, values.max() * 1.6


def _place(sheet: Sheet, place: int, title: str) -> Axes:
    row, column = divmod(place, COLUMNS)
    left = LEFT + column * (WIDTH + GAP)
    sheet.text(left + WIDTH / 2, row * PITCH + TOP / 2, title)
    axes = sheet.axes(left, row * PITCH + TOP, WIDTH, HEIGHT)
    axes.tick_params(labelsize=SMALL - 0.5, length=2, width=0.5, pad=2, bottom=True)
    return axes


def _draw_lines(axes: Axes, lines: Mapping[Setting, Band], styles: Mapping[Setting, dict]) -> None:
    for setting, (middle, low, high) in lines.items():
        steps = np.arange(1, len(middle) + 1)
        axes.fill_between(steps, low, high, color=styles[setting]["color"], alpha=0.18, linewidth=0)
        every = max(1, len(steps) // 10)
        axes.plot(steps, middle, markevery=every, **styles[setting])
    axes.set_xlabel("flow step", fontsize=SMALL, labelpad=2)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=3))


def _scale(axes: Axes, limits: tuple[float, float], labelled: bool) -> None:
    axes.set(yscale="log", ylim=limits)
    axes.yaxis.set_major_locator(LogLocator(10, numticks=20))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", left=labelled, labelleft=labelled)
    axes.tick_params(axis="y", which="minor", left=False)
    if labelled:
        axes.set_ylabel("relative error of the velocity", fontsize=SMALL, labelpad=2)


def _draw_changes(axes: Axes, changes: pd.DataFrame) -> None:
    """Each data set's difference as a dot on its interval, from top to bottom."""
    axes.axvline(0, color=GREY, linewidth=0.6, dashes=(3, 2))
    for i, (dataset, change, low, high) in enumerate(changes.itertuples()):
        axes.plot([low, high], [i, i], color=INK, linewidth=0.9)
        axes.plot(change, i, "o", color=INK, markersize=3)
        place = {"fontsize": SMALL, "transform": axes.get_yaxis_transform()}
        axes.text(0.04, i - 0.16, DATASETS[dataset].label, bbox=PLATE, **place)
    reach = 1.25 * np.nanmax(changes.abs())
    axes.set(xlim=(-reach, reach), ylim=(len(changes) - 0.25, -0.6))
    axes.xaxis.set_major_locator(MaxNLocator(4, symmetric=True))
    axes.set_xlabel("W2, exact less GeomLoss targets", fontsize=SMALL, labelpad=2)
    place = {"fontsize": SMALL - 0.5, "color": GREY, "transform": axes.transAxes}
    axes.text(0.04, 0.03, r"$\leftarrow$ exact better", **place)


def _legend(sheet: Sheet, start: float, styles: Mapping[Setting, dict]) -> None:
    width = 0.44 + 0.049 * max(len(style["label"]) for style in styles.values())
    lines = -(-len(styles) // int(sheet.width / width))
    columns = -(-len(styles) // lines)
    first = (sheet.width - columns * width) / 2
    for i, style in enumerate(styles.values()):
        left, top = first + i % columns * width, start + i // columns * LINE
        axes = sheet.axes(left, top + 0.02, 0.26, 0.12, frame=False)
        axes.plot([0, 1, 2], [0, 0, 0], markevery=[1], **style)
        sheet.text(left + 0.31, top + 0.08, style["label"], ha="left", fontsize=SMALL)

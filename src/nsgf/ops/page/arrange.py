"""A study's long table as a paper prints it: methods down, data sets across."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from nsgf.metrics.interval import Interval
from nsgf.report.finding import interval_of_row
from nsgf.report.tables import ONE_TRAINING, aside
from nsgf.report.verdict import HIGHER_IS_BETTER, separated

Column = tuple[str, int | None]  # data set, and NFE where columns share one


@dataclass(frozen=True)
class Entry:
    """Ours and the printed number, either of which may be None.

    Attributes:
        of_one_training: whether our interval is over samples of one training: it then says nothing
            of other trainings, and is apart from no other.
        best: whether it is apart from those of all other methods, on the better side.
    """

    ours: Interval | None
    printed: float | None
    of_one_training: bool = False
    best: bool = False

    @property
    def half(self) -> float | None:
        """Half the width of our interval; None for one seed."""
        known = self.ours and not math.isnan(self.ours.low)
        return (self.ours.high - self.ours.low) / 2 if known else None


@dataclass(frozen=True)
class Row:
    """A method, what varies of it in words, and its entries by column."""

    method: str
    varied: str
    entries: tuple[Entry | None, ...]

    @property
    def is_run(self) -> bool:
        """Whether any entry has a number of ours."""
        return any(e and e.ours for e in self.entries)


@dataclass(frozen=True)
class Grid:
    """One metric of a study.

    Attributes:
        floors: of the columns, None where there is none.
        elsewhere: how many numbers were printed of data sets and steps that were not run.
    """

    metric: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    floors: tuple[float | None, ...]
    elsewhere: int

    @property
    def has_print(self) -> bool:
        """Whether a paper's number stands anywhere."""
        return any(e and e.printed is not None for row in self.rows for e in row.entries)


def grids(found: pd.DataFrame) -> list[Grid]:
    """A grid for each metric of which something was measured.

    Args:
        found: a study's table (`nsgf.report.tables.table`).
    """
    run = found[found["mean"].notna()]
    return [_grid(found[found["metric"] == metric], metric) for metric in run["metric"].unique()]


def _grid(found: pd.DataFrame, metric: str) -> Grid:
    run = found[found["mean"].notna()]
    shared = _share_their_nfe(run)
    found = found.assign(varied=_varied(found, shared), place=_places(found, shared))
    run = found[found["mean"].notna()]
    names = list(dict.fromkeys(run["dataset"]))
    columns = sorted(set(run["place"]), key=lambda c: (names.index(c[0]), c[1] or 0))
    rows = []
    for (method, varied), group in found.groupby(["method", "varied"], sort=False):
        entries = {row["place"]: _entry(row) for _, row in group.iterrows()}
        if any(column in entries for column in columns):
            rows.append(Row(method, varied, tuple(entries.get(c) for c in columns)))
    floors = (_number(run[run["place"] == column]["floor"].mean()) for column in columns)
    ranked = _ranked(rows, metric)
    printed = found[found["published"].notna()]
    elsewhere = sum(column not in columns for column in printed["place"])
    return Grid(metric, tuple(columns), tuple(ranked), tuple(floors), elsewhere)


def _share_their_nfe(run: pd.DataFrame) -> bool:
    """Whether columns can be those of an NFE: each is whole, and at least half the methods' own."""
    methods = run.groupby("nfe")["method"].nunique()
    whole = bool((run["nfe"] % 1 == 0).all())
    return whole and bool((2 * methods >= run["method"].nunique()).all())


def _varied(found: pd.DataFrame, shared: bool) -> list[str]:
    """What varies of each row in words; with its NFE where columns have none."""
    words = []
    for nfe, told in zip(found["nfe"], aside(found), strict=True):
        alone = [] if shared or pd.isna(nfe) else [f"NFE {nfe:g}"]
        words.append(", ".join([*filter(None, [told]), *alone]))
    return words


def _places(found: pd.DataFrame, shared: bool) -> list[Column]:
    pairs = zip(found["dataset"], found["nfe"], strict=True)
    return [(name, int(nfe) if shared and not pd.isna(nfe) else None) for name, nfe in pairs]


def _entry(row: pd.Series) -> Entry:
    ours = None if pd.isna(row["mean"]) else interval_of_row(row)
    return Entry(ours, _number(row["published"]), ONE_TRAINING in str(row["protocol"]))


def _number(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


def _ranked(rows: Sequence[Row], metric: str) -> list[Row]:
    """Rows with the best entry of each column marked, where one is apart from all others."""
    columns = list(zip(*(row.entries for row in rows), strict=True))
    marked = [
        tuple(e and replace(e, best=_is_best(e, column, metric)) for e in column)
        for column in columns
    ]
    return [
        replace(row, entries=entries)
        for row, entries in zip(rows, zip(*marked, strict=True), strict=True)
    ]


def _is_best(entry: Entry, column: Sequence[Entry | None], metric: str) -> bool:
    rivals = rivals_of(entry, column)
    better = "higher" if metric in HIGHER_IS_BETTER else "lower"
    return bool(rivals) and all(_apart(entry, rival) == better for rival in rivals)


def _apart(one: Entry, other: Entry) -> str:
    """`separated`, but for intervals that are no intervals over trainings."""
    if one.of_one_training or other.of_one_training:
        return "inconclusive"
    return separated(one.ours, other.ours)


def rivals_of(entry: Entry, column: Sequence[Entry | None]) -> list[Entry]:
    """Others of a column that were run; a method under two names is not its own rival."""
    if entry.ours is None:
        return []
    return [e for e in column if e and e.ours and e.ours != entry.ours]


def sentences(grid: Grid, label: Callable[[Row], str], place: Callable[[Column], str]) -> list[str]:
    """What each column says, in a sentence: who is best, level or apart, and who is at the floor.

    Args:
        label: of a row. place: of a column.
    """
    said = []
    for k, column in enumerate(grid.columns):
        rows = [row for row in grid.rows if row.entries[k] and row.entries[k].ours]
        if rows and _is_level_at_floor(grid, rows, k):
            words = f"all at the floor ({grid.floors[k]:.3g}), so no order can be read"
            said.append(f"{place(column)}: {words}: {_list(_sorted(rows, k), label, k)}.")
        elif rows:
            words = [_compared(rows, k, grid.metric, label), _at_floor(grid, rows, k, label)]
            said.append(f"{place(column)}: {'; '.join(filter(None, words))}.")
    return said


def disagreements(
    first: Grid, other: Grid, label: Callable[[Row], str], place: Callable[[Column], str]
) -> list[str]:
    """Columns in which another metric puts another method first, in a sentence each; whether they
    can be told apart it does not say."""
    said = []
    for column in (c for c in first.columns if c in other.columns):
        heads = []
        for grid in (first, other):
            k = grid.columns.index(column)
            run = [row for row in grid.rows if row.entries[k] and row.entries[k].ours]
            ranked = _sorted(run, k, grid.metric in HIGHER_IS_BETTER)
            heads.append((ranked[0], k, len(ranked)) if ranked else None)
        one, two = heads
        if one and two and two[2] > 1 and label(one[0]) != label(two[0]):
            words = f"{label(two[0])} comes first, {number(two[0].entries[two[1]])}"
            said.append(f"{place(column)}, by {other.metric}: {words}.")
    return said


def _sorted(rows: Sequence[Row], k: int, higher: bool = False) -> list[Row]:
    """Rows of column k, the best first."""
    return sorted(rows, key=lambda row: row.entries[k].ours.mean, reverse=higher)


def _is_level_at_floor(grid: Grid, rows: Sequence[Row], k: int) -> bool:
    """Whether none of several methods can be told from the target, nor from another one."""
    floor, entries = grid.floors[k], [row.entries[k] for row in rows]
    if not floor or grid.metric in HIGHER_IS_BETTER or len(rows) < 2:
        return False
    at_floor = all(e.half is not None and e.ours.low <= floor for e in entries)
    return at_floor and all(_apart(a, b) == "inconclusive" for a in entries for b in entries)


def _compared(rows: Sequence[Row], k: int, metric: str, label: Callable[[Row], str]) -> str:
    """How the methods of column k stand to each other."""
    higher = metric in HIGHER_IS_BETTER
    rows = _sorted(rows, k, higher)
    best, *others = rows
    mine = best.entries[k]
    if not others:
        return f"{label(best)} {number(mine)}"
    if any(row.entries[k].of_one_training for row in rows):
        return f"{_list(rows, label, k)}; one training each, so who is better is not known"
    twins = [row for row in others if row.entries[k].ours == mine.ours]
    others = [row for row in others if row not in twins]
    behind = [r for r in others if _apart(r.entries[k], mine) == ("lower" if higher else "higher")]
    level = [r for r in others if r not in behind]
    names = " = ".join(map(label, [best, *twins]))
    text = f"{names} {'highest' if higher else 'lowest'}, {number(mine)}"
    text += f"; intervals overlap: {_list(level, label, k)}" if level else ""
    return text + (f"; apart: {_list(behind, label, k)}" if behind else "")


def _at_floor(grid: Grid, rows: Sequence[Row], k: int, label: Callable[[Row], str]) -> str:
    """Who cannot be told from the target by this metric at this number of points."""
    floor, metric = grid.floors[k], grid.metric
    if not floor or metric in HIGHER_IS_BETTER:  # where a floor is a ceiling
        return ""
    at = [r for r in rows if r.entries[k].half is not None and r.entries[k].ours.low <= floor]
    if len(at) == len(rows):
        return f"all are at the floor ({floor:.3g}): not to be told from the target by it"
    if at:
        return f"at the floor ({floor:.3g}): {', '.join(map(label, at))}"
    best = min(row.entries[k].ours.mean for row in rows)
    ratio = best / floor
    more = f"{ratio:.2g} times as much" if ratio > 1.9 else f"{100 * (ratio - 1):.2g} % more"
    return f"none is at the floor ({floor:.3g}), the nearest has {more}"


def _list(rows: Sequence[Row], label: Callable[[Row], str], k: int) -> str:
    alike: dict[Interval, list[str]] = {}  # a network under two names is one
    for row in rows:
        alike.setdefault(row.entries[k].ours, []).append(label(row))
    means = (f"{ours.mean:#.3g}".rstrip(".") for ours in alike)
    return ", ".join(f"{' = '.join(n)} ({m})" for n, m in zip(alike.values(), means, strict=True))


def number(entry: Entry) -> str:
    """Our number with its half-width."""
    mean, half = entry.ours.mean, entry.half
    if half is None:
        return f"{mean:.3g} (one seed)"
    digits = max(0, min(4, 2 - math.floor(math.log10(abs(mean))) if mean else 3))
    return f"{mean:.{digits}f} ± {half:.{digits}f}"

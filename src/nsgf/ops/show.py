"""`nsgf show`: what a run says, in the terminal."""

import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path

from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.errors import NsgfError
from nsgf.layout import PUBLICATIONS
from nsgf.ops.page.arrange import Entry, Grid, number
from nsgf.ops.page.contents import Contents, StudyTable, place
from nsgf.ops.text import columns


def run(preset: Path, only: str | None = None) -> None:
    """Print verdicts and tables of a run, or of the committed one where there is none here.

    Raises:
        NsgfError: there is neither, or a file is damaged.
    """
    whole = load(preset, Preset).part(only)
    roots = [Path(f"results/{whole.name}"), Path(PUBLICATIONS, whole.publication)]
    root = next((r for r in roots if (r / "tables").is_dir()), None)
    if root is None:
        raise NsgfError(f"there is no run of '{whole.name}'", f"make reproduce PRESET={whole.name}")
    if root == roots[1]:
        print(f"(the committed run: {root})\n")
    print(text(Contents(whole, root)))


def text(contents: Contents) -> str:
    """The whole of it: claims, then each study's tables with what they say."""
    width = max(60, min(100, shutil.get_terminal_size((80, 24)).columns))
    lines = [contents.preset.title, ""]
    for claim in contents.claims:
        lines += _wrapped(f"{claim['word']}: {claim['text']}", width)
    if contents.claims:
        lines += ["(open: not run, or not decided at this size)"]
    for study in contents.studies:
        lines += ["", *_wrapped(study.title, width), *_study(study, width)]
    return "\n".join(lines)


def _study(study: StudyTable, width: int) -> Iterator[str]:
    for grid in study.grids:
        yield ""
        yield grid.metric
        yield from _grid(study, grid, width)
    if study.brief is not None:
        yield from ("", _brief(study, width))
    yield ""
    for sentence in study.sentences:
        yield from _wrapped(sentence, width)
    for note in (n for n in study.notes if n.startswith("Published")):
        yield from _wrapped(note, width)


def _brief(study: StudyTable, width: int) -> str:
    """The table on training targets, as many of its columns as there is room for."""
    rows = [tuple(study.brief.columns), *study.brief.itertuples(index=False, name=None)]
    forms = (columns([row[:last] for row in rows]) for last in range(len(rows[0]), 0, -1))
    return next(text for text in forms if max(map(len, text.splitlines())) <= width)


def _grid(study: StudyTable, grid: Grid, width: int) -> Iterator[str]:
    """A table, in as many parts as its columns need."""
    run = [row for row in grid.rows if row.is_run]
    heads = [place(column) for column in grid.columns]
    cells = [[_cell(e) for e in row.entries] for row in run]
    floors = ["" if f is None else f"{f:.3g}" for f in grid.floors]
    names = [*(study.label(row)[:48] for row in run), "floor"]
    widths = [max(map(len, part)) for part in zip(heads, *cells, floors, strict=True)]
    first, room = 0, width - max(map(len, names))
    while first < len(heads):
        last, used = first + 1, widths[first] + 2
        while last < len(heads) and used + widths[last] + 2 <= room:
            used, last = used + widths[last] + 2, last + 1
        rows = [["", *heads[first:last]]]
        rows += [[n, *c[first:last]] for n, c in zip(names, [*cells, floors], strict=True)]
        yield columns(rows)
        first = last
    if missing := len(grid.rows) - len(run):
        yield f"not run: {missing} printed methods"
    if grid.elsewhere:
        yield f"not run: data sets and steps of {grid.elsewhere} printed numbers"
    if grid.has_print:
        yield "behind | the printed number"
    if any(e and e.best for row in run for e in row.entries):
        yield "* interval apart from all others"


def _cell(entry: Entry | None) -> str:
    if entry is None or entry.ours is None:
        return ""
    best = "*" if entry.best else ""
    printed = "" if entry.printed is None else f" | {entry.printed:.3g}"
    return f"{number(entry)}{best}{printed}"


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ")

"""A study's tables in the paper's arrangement, in Markdown: ours with its interval over print."""

from collections.abc import Mapping

from nsgf.ops.page.arrange import Entry, Grid, number
from nsgf.ops.page.contents import place


def table(grid: Grid, labels: Mapping[str, str]) -> str:
    """A metric: methods down, data sets and steps across, what was not run left out.

    Args:
        labels: printed names of methods.
    """
    run = [row for row in grid.rows if row.is_run]
    lines = [["", *map(place, grid.columns)]]
    for row in run:
        name = labels.get(row.method, row.method) + (f" ({row.varied})" if row.varied else "")
        lines.append([name, *map(_cell, row.entries)])
    if any(floor is not None for floor in grid.floors):
        lines.append(["*floor*", *("" if f is None else f"*{f:.3g}*" for f in grid.floors)])
    head, *body = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, "|" + "---|" * len(lines[0]), *body, ""])


def _cell(entry: Entry | None) -> str:
    if entry is None or entry.ours is None:
        return ""
    ours = f"**{number(entry)}**" if entry.best else number(entry)
    return ours if entry.printed is None else f"{ours}<br>{entry.printed:.3g}"

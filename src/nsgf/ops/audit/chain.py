"""For every number of every table: the artefacts that it rests on, back to the data."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsgf.layout import Layout
from nsgf.registry import METHODS

# The parts of a chain, in the direction of the data.
LINKS = ("data", "pools", "models", "samples", "metrics", "timings", "tables")
CLAIM_RESTS_ON = {  # claim: words in the paths that its evidence is read from
    "1": ("/tables/table1",),
    "2": ("/samples/", ".npz"),
    "3": ("/samples/", ".json"),
    "4": ("/tables/table2",),
    "5": ("/timings/",),
    "6": ("/timings/",),
}
ABOUT, MEASURED = ("method", "dataset", "nfe", "metric"), ("mean", "ci_low", "ci_high", "floor")
ABOUT_TARGETS, ERRORS = (
    ("dataset", "solver", "scaling"),
    ("first", "mean", "largest", "w2", "change"),
)
Inputs = Callable[[str], list[str]]


@dataclass(frozen=True)
class Number:
    """A row of a table with its numbers, and the files that it was read from."""

    table: str
    label: str
    values: Mapping[str, str]
    files: tuple[str, ...]


def numbers(name: str, root: Path, inputs: Inputs) -> Iterator[Number]:
    """Rows of all tables of a run that hold numbers of ours.

    Args:
        name: the preset.
        root: folder that holds tables/ and timings/.
        inputs: recorded inputs of an artefact, by the run's own paths.
    """
    layout = Layout(f"results/{name}")
    for path in sorted((root / "tables").glob("*.csv")):
        read, targets = inputs(layout.table(path.stem)), path.stem == "targets"
        for row in _rows(path):
            if shown := {k: row[k] for k in (ERRORS if targets else MEASURED) if row[k]}:
                words = ABOUT_TARGETS if targets else ABOUT
                label = " ".join(row[k] for k in words if row[k])
                files = (_of_targets if targets else _of_cell)(row, read)
                yield Number(path.stem, label, shown, tuple(files))
    read = inputs(layout.claims())
    for row in _rows(root / "timings/claims.csv"):
        words = CLAIM_RESTS_ON[row["claim"]]
        files = tuple(p for p in read if all(word in p for word in words))
        yield Number("claims", f"claim {row['claim']}", {"verdict": row["verdict"]}, files)


def behind(files: tuple[str, ...], inputs: Inputs) -> dict[str, list[str]]:
    """Everything that `files` rest on, by part of the chain; all of them included."""
    found: dict[str, None] = {}
    waiting = list(files)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = None
            waiting += inputs(path)
    parts: dict[str, list[str]] = {link: [] for link in LINKS}
    for path in sorted(found):
        words = path.split("/")
        parts.setdefault(words[2] if words[0] == "results" else words[0], []).append(path)
    return {link: paths for link, paths in parts.items() if paths}


def _rows(path: Path) -> list[dict]:
    if not path.is_file():
        return []
    with path.open() as handle:
        return list(csv.DictReader(handle))


def _of_cell(row: Mapping, read: Sequence[str]) -> list[str]:
    """The metrics of a table's cell; of a cell that another study has named, those of its data."""
    mine = [p for p in read if p.split("/")[2:4] == ["metrics", row["dataset"]]]
    return [p for p in mine if _is_of(p.split("/")[4].removesuffix(".json"), row)] or mine


def _is_of(cell: str, row: Mapping) -> bool:
    """Whether a cell's name in paths (`fm,nfe=10`; once `fm-10`) is that of a row."""
    known = METHODS.get(row["method"])
    name = (known.same_as if known else None) or row["method"]
    if cell in (name, f"{name}-{float(row['nfe']):g}"):
        return True
    first, *varied = cell.split("~")[0].split(",")
    values = (part.partition("=") for part in varied)
    return first == name and all(row.get(key) and _same(row[key], v) for key, _, v in values)


def _same(one: str, other: str) -> bool:
    """Whether two texts are one value; numbers are by their size."""
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other


def _of_targets(row: Mapping, read: Sequence[str]) -> list[str]:
    """Errors of a data set's targets, and the networks' metrics where the row has a W2."""
    mine = [p for p in read if p.split("/")[2:4] == ["metrics", row["dataset"]]]
    return [p for p in mine if row["w2"] or p.endswith("/targets.json")]

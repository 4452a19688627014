"""For every number of every table: the artefacts that it rests on, back to the data."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsgf.layout import Layout
from nsgf.registry import METHODS

# The parts of a chain, in the direction of the data.
LINKS = ("data", "pools", "models", "samples", "metrics", "timings", "tables")
# Columns that say what a row is about, and those that hold numbers of ours, of all tables.
ABOUT = ("method", "cell", "against", "what", "dataset", "solver", "scaling", "blur", "step", "n")
ABOUT += ("sweeps", "nfe", "metric")
MEASURED = ("first", "mean", "largest", "ci_low", "ci_high", "floor", "w2", "change")
MEASURED += ("scale", "factor", "tau", "difference", "bias_squared", "variance")
Inputs = Mapping[str, Sequence[str]]  # recorded inputs of artefacts, by the run's own paths


@dataclass(frozen=True)
class Number:
    """A row of a table with its numbers, and the files that it was read from."""

    table: str
    label: str
    values: Mapping[str, str]
    files: tuple[str, ...]


def numbers(name: str, root: Path, inputs: Inputs) -> Iterator[Number]:
    """Rows of all tables of a run that hold numbers of ours.

    All claims are judged by one task: each rests on all that it read.

    Args:
        name: the preset.
        root: folder that holds tables/ and timings/.
        inputs: of artefacts.
    """
    layout = Layout(f"results/{name}")
    for path in sorted((root / "tables").glob("*.csv")):
        read = inputs.get(layout.table(path.stem), ())
        for row in _rows(path):
            if shown := {k: row[k] for k in MEASURED if row.get(k)}:
                label = " ".join(row[k] for k in ABOUT if row.get(k))
                yield Number(path.stem, label, shown, _files_of(row, read))
    read = tuple(inputs.get(layout.claims(), ()))
    for row in _rows(root / "timings/claims.csv"):
        yield Number("claims", f"claim {row['claim']}", {"verdict": row["verdict"]}, read)


def behind(files: tuple[str, ...], inputs: Inputs) -> dict[str, list[str]]:
    """Everything that `files` rest on, by part of the chain; all of them included."""
    found, waiting = set(), list(files)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += inputs.get(path, ())
    parts: dict[str, list[str]] = {link: [] for link in LINKS}
    for path in sorted(found):
        parts.setdefault(part(path), []).append(path)
    return {link: paths for link, paths in parts.items() if paths}


def part(path: str) -> str:
    """The part of the chain that a file belongs to."""
    words = path.split("/")
    return words[2] if words[0] == "results" else words[0]


def _rows(path: Path) -> list[dict]:
    if not path.is_file():
        return []
    with path.open() as handle:
        return list(csv.DictReader(handle))


def _files_of(row: Mapping, read: Sequence[str]) -> tuple[str, ...]:
    """The metrics of a table's cell; of a cell that another study has named, those of its data.

    Errors of a data set's targets, with the networks' metrics where their row has a W2. Of a pair
    both cells; of what holds a table or a probe as a whole, all that was read of the data set.
    """
    mine = tuple(p for p in read if p.split("/")[2:4] == ["metrics", row["dataset"]])
    if "solver" in row:
        return tuple(p for p in mine if row["w2"] or p.endswith("/targets.json"))
    if "against" in row:
        names = (row["cell"], row["against"])
        return tuple(p for p in mine if p.split("/")[4].removesuffix(".json") in names) or mine
    if "method" not in row:
        return mine or tuple(read)
    return tuple(p for p in mine if _is_of(p.split("/")[4].removesuffix(".json"), row)) or mine


def _is_of(cell: str, row: Mapping) -> bool:
    """Whether a cell's name in paths, such as `fm,nfe=10`, is that of a row."""
    known = METHODS.get(row["method"])
    first, *varied = cell.split("~")[0].split(",")
    values = (part.partition("=") for part in varied)
    return first == ((known and known.same_as) or row["method"]) and all(
        row.get(key) and _same(row[key], value) for key, _, value in values
    )


def _same(one: str, other: str) -> bool:
    """Whether two texts are one value; numbers are by their size."""
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other

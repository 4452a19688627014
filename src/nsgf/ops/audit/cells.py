"""The cells of a rerun's tables beside those of the recorded ones.

Training ends elsewhere with other last bits, so that its numbers can only be asked to lie within
what chance does to them. Seed for seed both runs have the same data, noise and initial weights: a
cell agrees if the mean over seeds of ours less the recorded one, which is the difference of the two
means, is no larger than the recorded interval's half-width.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nsgf.layout import is_beside
from nsgf.ops.audit.chain import ABOUT
from nsgf.ops.audit.record import Record, legible
from nsgf.ops.audit.tolerance import RELATIVE, absolute

# Found out by a run, beside values with their intervals; the mean evaluations of NSGF++ are too.
OUTCOME = ("nfe", "floor", "verdict", "ci_low", "ci_high")
Row = Mapping[str, str]


@dataclass(frozen=True)
class Cell:
    """A row of a table, and how far our numbers lie from the recorded ones.

    Attributes:
        label: what it is of.
        furthest: the largest difference in units of its margin; at most 1 where the cell agrees,
            None where the record has no interval to judge it by.
    """

    table: str
    label: str
    furthest: float | None

    @property
    def agrees(self) -> bool:
        """Whether it lies within the margin; a cell that cannot be judged does not."""
        return self.furthest is not None and self.furthest <= 1


def cells(record: Record, root: Path) -> list[Cell]:
    """Every cell that the record's tables have a number of ours in, but for tables beside them.

    Args:
        record: whose published tables are read from the commit.
        root: folder of the run, which holds tables/.

    Raises:
        NsgfError: a table is damaged in the commit.
    """
    names = sorted(p for p in record.files if p.startswith("tables/") and p.endswith(".csv"))
    own = [name for name in names if not is_beside(Path(name).stem)]
    return [cell for name in own for cell in _of_table(record, root, name)]


def _of_table(record: Record, root: Path, name: str) -> Iterator[Cell]:
    ours, at_all = root / name, absolute(Path(name).stem)
    mine = _rows(ours.read_text(errors="replace")) if ours.is_file() else {}
    with legible(name):
        for key, row in _rows((record.read(name) or b"").decode()).items():
            if margins := dict(_margins(row)):
                label = " ".join(row[k] for k in ABOUT if row.get(k))
                furthest = _furthest(row, mine.get(key, {}), margins, at_all)
                yield Cell(Path(name).stem, label, furthest)


def _rows(text: str) -> dict[tuple, Row]:
    """Rows by what they are of; of those that differ in nothing else, by their order too."""
    found: dict[tuple, Row] = {}
    for row in csv.DictReader(io.StringIO(text)):
        results = {*OUTCOME, *(part for ends in _intervals(row) for part in ends)}
        about = tuple(value for column, value in row.items() if column not in {*results, None})
        order = sum(key[:-1] == about for key in found)
        found[*about, order] = row
    return found


def _intervals(row: Row) -> list[tuple[str, str, str]]:
    """Columns of each value with its interval: the value, the lower and the upper end."""
    ends = [(column, f"{column}_low", f"{column}_high") for column in row]
    return [e for e in [*ends, ("mean", "ci_low", "ci_high")] if e[1] in row]


def _margins(row: Row) -> Iterator[tuple[str, float]]:
    """Half-widths of the values in a row, nan where there is no interval."""
    for column, low, high in _intervals(row):
        if row[column]:
            half = (float(row[high] or "nan") - float(row[low] or "nan")) / 2
            yield from ((c, half) for c in (column, "floor") if c == column or row.get(c))


def _furthest(
    recorded: Row, ours: Row, margins: Mapping[str, float], at_all: float
) -> float | None:
    """The largest difference in units of its margin, which rounding alone is within."""
    found = []
    for column, half in margins.items():
        there, here = float(recorded[column]), _number(ours.get(column))
        if not math.isfinite(here):
            return math.inf
        found.append(abs(here - there) / max(half, RELATIVE * abs(there), at_all))
    return None if any(map(math.isnan, margins.values())) else max(found)


def _number(text: str | None) -> float:
    """A number of ours, nan where it is none: the table may be anybody's."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan

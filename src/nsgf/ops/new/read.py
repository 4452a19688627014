"""Points from a file of one's own: .npy, .csv, .parquet, or a folder of PNGs."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nsgf.errors import NsgfError

WIDEST = 1 << 16  # numbers of a point
SEPARATORS = ",;\t"  # of a .csv, the likeliest first


@dataclass(frozen=True)
class Points:
    """What was read.

    Attributes:
        x: float64 or of the file's own type, (n, *shape).
        columns: names of the coordinates, if they have any.
        images: whether they are pixels 0 ... 255.
    """

    x: np.ndarray
    columns: tuple[str, ...] = ()
    images: bool = False


def read(path: Path, columns: Sequence[str] = ()) -> Points:
    """Read points; of a table the `columns` that are asked for, or all of them.

    Raises:
        NsgfError: there is no such file or form of file, it is damaged, or it holds something else
            than numbers.
    """
    if not path.exists():
        raise NsgfError(f"there is no '{path}'", "check the path")
    form = "folder" if path.is_dir() else path.suffix.lower()
    if form not in FORMS:
        raise NsgfError(f"cannot read '{path}'", f"give one of: {', '.join(FORMS)} of PNGs")
    if columns and form not in TABLES:
        raise NsgfError(f"'{path}' has no columns with names", "leave --columns out")
    try:
        found = FORMS[form](path, columns)
    except (OSError, ValueError, EOFError) as error:
        raise NsgfError(f"'{path}' cannot be read: {error}", "mend or replace it") from error
    if found.x.ndim < 2 or not 0 < found.x[:1].size <= WIDEST:
        raise NsgfError(
            f"'{path}' holds an array of shape {found.x.shape}",
            f"store points as (n, d) or (n, *shape), of at most {WIDEST} numbers each",
        )
    if found.x.ndim > 4:
        raise NsgfError(f"points of shape {found.x.shape[1:]}", "give at most three axes")
    return found


def _npy(path: Path, _) -> Points:
    return Points(np.load(path, allow_pickle=False))


def _csv(path: Path, columns: Sequence[str]) -> Points:
    import pandas as pd

    with path.open(newline="", encoding="utf-8-sig") as file:
        line = file.readline()
    separator = max(SEPARATORS, key=line.count)
    first = next(csv.reader([line], delimiter=separator), [])
    header = None if first and all(map(_is_number, first)) else 0
    about = {"header": header, "sep": separator, "encoding": "utf-8-sig"}
    return _table(pd.read_csv(path, **about), path, columns)


def _parquet(path: Path, columns: Sequence[str]) -> Points:
    import pandas as pd

    try:
        return _table(pd.read_parquet(path), path, columns)
    except ImportError as error:
        raise NsgfError(
            f"'{path}' needs pyarrow, which is not installed",
            'pip install -e ".[parquet]", or save it as .csv',
        ) from error


def _table(table, path: Path, columns: Sequence[str]) -> Points:
    """Numbers of a table, (n, d)."""
    table.columns = [str(name) for name in table.columns]
    if absent := [name for name in columns if name not in table.columns]:
        raise NsgfError(
            f"'{path}' has no column '{absent[0]}'", f"it has: {', '.join(table.columns)}"
        )
    table = table[list(columns)] if columns else table
    if words := [name for name, kind in table.dtypes.items() if kind.kind not in "fiub"]:
        numbers = [name for name in table.columns if name not in words]
        raise NsgfError(
            f"column '{words[0]}' of '{path}' holds other things than numbers",
            "encode it" + (f", or leave it out: --columns {','.join(numbers)}" if numbers else ""),
        )
    named = () if list(table.columns) == [str(k) for k in range(table.shape[1])] else table.columns
    return Points(table.to_numpy(np.float64), tuple(named))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _pngs(folder: Path, _) -> Points:
    from PIL import Image

    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() == ".png")
    if not files:
        raise NsgfError(f"'{folder}' holds no .png", "give a folder of them")
    found = []
    for file in files:
        with Image.open(file) as image:
            colour = image.mode not in ("1", "L", "LA", "I;16")
            pixels = np.asarray(image.convert("RGB" if colour else "L"))
        found.append(pixels.transpose(2, 0, 1) if colour else pixels[None])
        if found[-1].shape != found[0].shape:
            raise NsgfError(
                f"'{file}' is {found[-1].shape}, but '{files[0]}' {found[0].shape} (channels,"
                " height, width)",
                "bring all to one size and mode",
            )
    return Points(np.stack(found), images=True)


TABLES: dict[str, Callable[[Path, Sequence[str]], Points]] = {".csv": _csv, ".parquet": _parquet}
FORMS = {".npy": _npy, **TABLES, "folder": _pngs}

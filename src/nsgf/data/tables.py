"""Tables of features with two classes: fetched from the first source that works, and verified.

What is verified are the decoded arrays in their canonical form (`nsgf.data.decode`), whose digests
stand in config/tables.yaml. On disk a table is one .npz: features float64 (n, d), classes uint8
(n,), 0 or 1.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, PositiveInt

from nsgf.artifact import atomic, readable
from nsgf.config import base
from nsgf.data import sources
from nsgf.data.decode import Arrays, canonical_table
from nsgf.data.fetched import cannot_write, default_cache, first_that_works
from nsgf.data.sources import Digest, Source
from nsgf.errors import NsgfError
from nsgf.registry import lookup

REGISTRY = Path(__file__).parents[3] / "config" / "tables.yaml"


@dataclass(frozen=True)
class Table:
    """Rows of features (n, d) float64, and the class of each, 0 or 1, (n,) uint8."""

    features: np.ndarray
    classes: np.ndarray


class Known(base.Model):
    """What config/tables.yaml says of one table."""

    rows: PositiveInt
    """Rows, count."""
    columns: PositiveInt
    """Features, count."""
    digest: Digest
    """Of its canonical form."""
    sources: tuple[Source, ...] = Field(min_length=1)
    """Where to get it, in order of preference."""


class Registry(base.Model):
    """The whole of config/tables.yaml."""

    tables: dict[Annotated[str, Field(pattern=r"^\w[\w-]*$")], Known]


def describe(name: str, registry: Path = REGISTRY) -> Known:
    """The registry's entry for `name`.

    Raises:
        NsgfError: unreadable registry, unknown key in it, or unknown name.
    """
    return lookup(base.load(registry, Registry).tables, name, "table")


def fetch(name: str, out: Path, cache: Path | None = None, registry: Path = REGISTRY) -> str:
    """Write the verified table `name` to the .npz `out`; gives the source that worked.

    Args:
        name: a table of the registry. out: the file.
        cache: folder of downloads, by default as of image sets. registry: describes tables.

    Raises:
        NsgfError: no source gave the table, or a folder cannot be written.
    """
    known = describe(name, registry)
    # One package may hold several tables.
    folder = (Path(cache) if cache else default_cache()).absolute() / "tables"
    source, arrays = first_that_works(
        f"table '{name}'", known.sources, lambda found: _difference(known, found), folder
    )
    try:
        with atomic(Path(out)) as temporary, temporary.open("wb") as file:
            np.savez(file, **{key: arrays[key] for key in Table.__annotations__})
    except OSError as error:
        raise cannot_write(Path(out).parent, error, "name a folder with space in it") from error
    return source


def read(path: Path) -> Table:
    """Read a table.

    Raises:
        NsgfError: the file is missing or damaged.
    """
    with readable(f"table '{path}'"), np.load(path, allow_pickle=False) as file:
        return Table(**{name: file[name] for name in Table.__annotations__})


def verify(name: str, path: Path, registry: Path = REGISTRY) -> None:
    """Hash the table in `path` once more, in canonical form.

    Raises:
        NsgfError: it is missing, or differs from the registry.
    """
    if wrong := _difference(describe(name, registry), vars(read(path))):
        what = f"'{path}' is not the table '{name}': {wrong}"
        raise NsgfError(what, "remove it and fetch it again")


def _difference(known: Known, arrays: Arrays) -> str | None:
    """What distinguishes arrays from the registry's table; None if nothing does."""
    x, classes = arrays["features"], arrays["classes"]
    if x.shape != (known.rows, known.columns) or classes.shape != (known.rows,):
        return f"it has shape {x.shape}, not ({known.rows}, {known.columns})"
    got = sources.digest_of(canonical_table(arrays), known.digest)
    return None if got == known.digest else f"it is {got}, not {known.digest}"

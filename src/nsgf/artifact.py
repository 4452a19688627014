"""Files that are whole or absent, and how they are read and digested.

`atomic` writes to a temporary file beside the target, syncs it and renames it: a reader never sees
half a file, and a killed or full-disk write leaves what was there before. Where an artefact comes
from stands in `<file>.prov.json` beside it (nsgf.engine.provenance).
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from nsgf.errors import NsgfError

if TYPE_CHECKING:
    import numpy as np

SIDECAR = ".prov.json"


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path in `path`'s folder; on success sync it and rename it to `path`."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: writers such as numpy and matplotlib choose the format by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text)


def write_json(path: Path, value: object) -> None:
    """Write `value` as JSON, whole or not at all."""
    write_text(path, json_text(value))


def json_text(value: object) -> str:
    """Indented JSON with a stable key order."""
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def write_npy(path: Path, *parts: "np.ndarray") -> None:
    """Write arrays, joined along the first axis, in numpy's format; parts may be memory maps.

    Loudly: np.save may lose the end of it on a full disk.

    Args:
        path: where to.
        parts: one or more, (n_i, ...), alike in type and in all further axes.
    """
    import numpy as np

    first, n = np.ascontiguousarray(parts[0]), sum(map(len, parts))
    header = np.lib.format.header_data_from_array_1_0(first) | {"shape": (n, *first.shape[1:])}
    with path.open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, header)
        for part in parts:
            handle.write(np.ascontiguousarray(part).data)


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_json(value: object) -> str:
    """Hex SHA-256 of a JSON value in canonical form."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def sidecar(path: Path) -> Path:
    """Where the provenance of `path` lies."""
    return Path(f"{path}{SIDECAR}")


@contextlib.contextmanager
def readable(what: str) -> Iterator[None]:
    """Around the reading of a file of ours.

    Raises:
        NsgfError: `what`, missing or damaged, cannot be read.
    """
    try:
        yield
    except (OSError, ValueError, EOFError, KeyError, TypeError, BadZipFile) as error:
        mend = "remove it and run make reproduce again"
        raise NsgfError(f"{what} cannot be read: {error}", mend) from error


def read_json(path: Path):
    """The value in a JSON file.

    Raises:
        NsgfError: the file is missing or damaged.
    """
    with readable(f"'{path}'"):
        return json.loads(Path(path).read_text())


def read_kept(path: Path, read: Callable, damage: tuple = (OSError, ValueError)) -> object | None:
    """What `read` makes of state; None where it is absent, or shows `damage` and is removed."""
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except damage as error:
        print(f"dropped unreadable state '{path}': {error}", flush=True)
        path.unlink(missing_ok=True)
        return None


def read_kept_json(path: Path) -> object | None:
    """What `write_json` kept, None where it is absent; a file that cannot be read is removed."""
    return read_kept(path, lambda path: json.loads(path.read_text()))


def read_npy(path: Path, mapped: bool = False) -> "np.ndarray":
    """The array in a .npy file, without running code; `mapped` leaves it on disk until it is used.

    Raises:
        NsgfError: the file is missing or damaged.
    """
    import numpy as np

    with readable(f"'{path}'"):
        if mapped:  # copy on write: torch warns of memory that it may not write
            return np.lib.format.open_memmap(path, mode="c")
        with Path(path).open("rb") as handle:  # np.load would open a zip archive too
            return np.lib.format.read_array(handle, allow_pickle=False)


def read_npz(path: Path, name: str) -> "np.ndarray":
    """One array of a .npz file, without running code.

    Raises:
        NsgfError: the file is missing or damaged, or lacks that array.
    """
    import numpy as np

    with readable(f"'{path}'"), np.load(path, allow_pickle=False) as stored:
        return stored[name]

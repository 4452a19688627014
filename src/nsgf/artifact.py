"""Files that are whole or absent, each with a provenance sidecar.

`atomic` writes to a temporary file beside the target, syncs it and renames it: a reader never sees
half a file, and a killed or full-disk write leaves what was there before. `record` writes
`<file>.prov.json` beside an artefact: its digest, the command, configuration, seed, code hash,
inputs with digests, versions and machine.
"""

import contextlib
import functools
import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from nsgf.errors import NsgfError
from nsgf.private import redact

if TYPE_CHECKING:
    import numpy as np

SIDECAR = ".prov.json"
TRUSTED_BYTES = 500_000_000  # larger inputs are not hashed again by each of their readers
VERSIONS = [
    "torch",
    "torchvision",
    "geomloss",
    "numba",
    "llvmlite",
    "POT",
    "numpy",
    "scipy",
    "pandas",
    "matplotlib",
    "seaborn",
    "clean-fid",
    "torchcfm",
]


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


def digest(path: Path) -> str:
    """SHA-256 of an input: of its bytes, or as its sidecar states where that would take minutes."""
    beside = sidecar(path)
    if beside.exists() and path.stat().st_size > TRUSTED_BYTES:
        return read_json(beside)["sha256"]
    return sha256_file(path)


def read_json(path: Path):
    """The value in a JSON file.

    Raises:
        NsgfError: the file is missing or damaged.
    """
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise NsgfError(
            f"'{path}' cannot be read: {error}", "remove it and run make reproduce again"
        ) from error


def read_npy(path: Path, mapped: bool = False) -> "np.ndarray":
    """The array in a .npy file, without running code; `mapped` leaves it on disk until it is used.

    Raises:
        NsgfError: the file is missing or damaged.
    """
    import numpy as np

    try:
        if mapped:  # copy on write: torch warns of memory that it may not write
            return np.lib.format.open_memmap(path, mode="c")
        with Path(path).open("rb") as handle:  # np.load would open a zip archive too
            return np.lib.format.read_array(handle, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise NsgfError(
            f"'{path}' cannot be read: {error}", "remove it and run make reproduce again"
        ) from error


def read_npz(path: Path, name: str) -> "np.ndarray":
    """One array of a .npz file, without running code.

    Raises:
        NsgfError: the file is missing or damaged, or lacks that array.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as stored:
            return stored[name]
    except (OSError, ValueError, EOFError, KeyError, TypeError, BadZipFile) as error:
        raise NsgfError(
            f"'{path}' cannot be read: {error}", "remove it and run make reproduce again"
        ) from error


def record(
    *paths: Path,
    stage: str,
    config: object,
    seed: int | None,
    code: str,
    inputs: Sequence[Path] = (),
    facts: dict | None = None,
) -> None:
    """Write the provenance sidecars of artefacts that are already in place.

    Args:
        paths: the artefacts.
        stage: name of the sub-command that made it.
        config: JSON value of the stage's configuration.
        seed: root seed of its random streams, None where nothing is random.
        code: hash of the code that the stage uses (`nsgf.codehash.code_of`).
        inputs: artefacts that it was made from.
        facts: anything else worth keeping, such as the largest NFE.
    """
    body = {
        "stage": stage,
        "command": redact(shlex.join(["nsgf", *sys.argv[1:]])),
        "config": config,
        "config_sha256": sha256_json(config),
        "seed": seed,
        "code": code,
        "commit": _commit(),
        "inputs": {str(p): digest(Path(p)) for p in inputs},
        "versions": _versions(),
        "machine": _machine(),
        "facts": facts or {},
    }
    for path in paths:
        write_json(sidecar(path), body | {"artefact": path.name, "sha256": sha256_file(path)})


@functools.cache
def _versions() -> dict:
    return {"python": platform.python_version()} | {n: metadata.version(n) for n in VERSIONS}


@functools.cache
def _machine() -> dict:
    found = {"system": platform.system(), "arch": platform.machine(), "cores": os.cpu_count()}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


@functools.cache
def _commit() -> str | None:
    """The git commit of the tree, with '+changes' where the work tree differs; None outside git."""
    here = Path(__file__).parent
    try:
        head = _git(here, "rev-parse", "HEAD")
        return head + ("+changes" if _git(here, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

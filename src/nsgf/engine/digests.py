"""Digests of files that do not change while a run goes on: each is read once.

What is known of a file holds as long as its size, its times and its place on the disk do. The time
of its last change of any kind cannot be set back, so that a file altered with its time stamp kept
is read again.
"""

import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nsgf.artifact import SIDECAR, read_json, sha256_file, sha256_json, sidecar, write_json
from nsgf.engine.state import state_root
from nsgf.errors import NsgfError

SMALL = 1_000_000  # bytes that are read again sooner than looked up
MADE = ("results/", "data/processed/")  # where all files have provenance, but for times
TIMES = "/timings/"


def _mark(path: Path) -> list[int]:
    about = path.stat()
    return [about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino]


class Digests:
    """SHA-256 of files by their paths from the current folder, kept between processes."""

    def __init__(self):
        self._file = state_root() / f"digests-{sha256_json(str(Path.cwd()))[:16]}.json"
        self._known = self._kept()
        self._new: dict[str, list] = {}

    def of(self, path: str | Path) -> str:
        """The digest of a file's bytes.

        Raises:
            OSError: it cannot be read.
        """
        file = Path(path)
        mark = _mark(file)
        known = self._known.get(str(path))
        if known and known[0] == mark:
            return known[1]
        found = sha256_file(file)
        if mark[0] > SMALL:
            self._known[str(path)] = self._new[str(path)] = [mark, found]
        return found

    def keep(self) -> None:
        """Add what is new to what the next process will know."""
        if self._new:
            write_json(self._file, self._kept() | self._new)

    def _kept(self) -> dict[str, list]:
        try:
            return json.loads(self._file.read_text())
        except (OSError, ValueError):  # none yet, or cut off: files are read instead
            return {}


def stated(path: str) -> str | None:
    """The digest that an artefact's provenance states; None for a file that is given, not made.

    Raises:
        NsgfError: it should have provenance and has none that can be read.
    """
    if not path.startswith(MADE) or path.endswith(SIDECAR) or TIMES in path:
        return None
    beside, mend = sidecar(Path(path)), f"build it again: nsgf make {path}"
    if not beside.exists():
        raise NsgfError(f"'{path}' has no provenance", mend)
    body = read_json(beside)
    if not isinstance(body, dict) or body.get("artefact") != Path(path).name:
        raise NsgfError(f"the provenance beside '{path}' is that of another file", mend)
    return body.get("sha256")


def checked(paths: Iterable[str], digests: Digests) -> dict[str, str]:
    """Digests of inputs, each held against the provenance beside it.

    Raises:
        NsgfError: one is missing, has no provenance, or has other bytes than it states.
    """
    found = {}
    for path in paths:
        if not Path(path).is_file():
            raise NsgfError(f"input '{path}' is missing", f"make it first: nsgf make {path}")
        found[path], expected = digests.of(path), stated(path)
        if expected not in (None, found[path]):
            raise damaged([path])
    return found


def altered(paths: Iterable[str], digests: Digests) -> list[str]:
    """Artefacts that are there with provenance and have other bytes than it states."""
    here = [p for p in paths if Path(p).is_file() and sidecar(Path(p)).is_file()]

    def differs(path: str) -> bool:
        return stated(path) not in (None, digests.of(path))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [p for p, wrong in zip(here, pool.map(differs, here), strict=True) if wrong]


def damaged(paths: list[str]) -> NsgfError:
    """The one message about files that nothing may be built on."""
    more = f", and so are {len(paths) - 1} more: {', '.join(paths[1:4])}" if paths[1:] else ""
    return NsgfError(
        f"'{paths[0]}' is damaged: its bytes are not those that its provenance states{more}",
        f"build just that again: nsgf make {' '.join(paths[:4])}",
    )

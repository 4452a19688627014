"""The artefacts of a run as they lie on disk: hashed once, with their provenance."""

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from nsgf.artifact import sha256_file, sidecar
from nsgf.progress import bar

KEYS = ("stage", "command", "config", "config_sha256", "seed", "code", "commit", "inputs")
KEYS += ("versions", "machine", "facts", "artefact", "sha256")


@dataclass(frozen=True)
class File:
    """An artefact: digests of its bytes and of its provenance (None: absent), and the provenance.

    `body` is None where the sidecar is absent or is not one.
    """

    sha256: str | None
    provenance: str | None
    body: Mapping | None


def read(places: Mapping[str, Path]) -> dict[str, File]:
    """Hash artefacts and read their sidecars; those that are absent are in the answer too.

    Args:
        places: where the bytes of each artefact lie.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool, bar(len(places), "hash") as progress:
        found = {}
        for path, file in zip(places, pool.map(_read, places.values()), strict=True):
            found[path] = file
            progress.update()
    return found


def _read(path: Path) -> File:
    beside = sidecar(path)
    return File(_digest(path), _digest(beside), _body(beside))


def _digest(path: Path) -> str | None:
    return sha256_file(path) if path.is_file() else None


def _body(path: Path) -> dict | None:
    try:
        body = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    whole = isinstance(body, dict) and set(KEYS) <= set(body)
    return body if whole and isinstance(body["inputs"], dict) else None

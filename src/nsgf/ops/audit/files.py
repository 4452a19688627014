"""The artefacts of a run as they lie on disk: hashed once, with their provenance."""

import json
import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from nsgf.artifact import sha256_file, sidecar
from nsgf.progress import bar

TEXTS = ("stage", "command", "config_sha256", "code", "artefact", "sha256")
KEYS = {*TEXTS, "config", "seed", "commit", "inputs", "versions", "machine", "facts"}


@dataclass(frozen=True)
class File:
    """An artefact: digests of its bytes and of its provenance (None: absent), and the provenance.

    `body` is None where the sidecar is absent or is not one. Of a temporary artefact that is gone
    the digest is the one that its provenance states.
    """

    sha256: str | None
    provenance: str | None
    body: Mapping | None


def read(places: Mapping[str, Path], temporary: Collection[str] = ()) -> dict[str, File]:
    """Hash artefacts and read their sidecars; those that are absent are in the answer too.

    Args:
        places: where the bytes of each artefact lie.
        temporary: artefacts of which only provenance stays.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool, bar(len(places), "hash") as progress:
        found = {}
        for path, file in zip(places, pool.map(_read, places.values()), strict=True):
            gone = path in temporary and file.sha256 is None and file.body is not None
            found[path] = replace(file, sha256=file.body["sha256"]) if gone else file
            progress.update()
    return found


def _read(path: Path) -> File:
    beside = sidecar(path)
    digests = (sha256_file(p) if p.is_file() else None for p in (path, beside))
    return File(*digests, _body(beside))


def _body(path: Path) -> dict | None:
    """The account in a sidecar, None if it does not have the form of one."""
    try:
        body = json.loads(path.read_text())
        texts = [*(body[key] for key in TEXTS), *body["inputs"], *body["inputs"].values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return body if set(body) >= KEYS and all(isinstance(t, str) for t in texts) else None

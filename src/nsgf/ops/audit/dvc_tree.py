"""DVC's digests of folders, as dvc.lock holds them; read from bytes, never from DVC's own index.

DVC remembers digests by time stamp and size, so that `dvc status` believes a file that was altered
with its time stamp kept.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

CACHE = Path(".dvc/cache/files/md5")


def md5_file(path: Path) -> str:
    """Hex MD5 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "md5").hexdigest()


def tree_digest(folder: str, files: Mapping[str, str]) -> str:
    """DVC's digest of a folder whose files (by their paths) have these MD5s."""
    rows = sorted((str(Path(p).relative_to(folder)), md5) for p, md5 in files.items())
    text = json.dumps([{"md5": md5, "relpath": path} for path, md5 in rows], sort_keys=True)
    return hashlib.md5(text.encode()).hexdigest() + ".dir"


def listing(folder: str, digest: str) -> dict[str, str] | None:
    """MD5 of each file of a recorded folder, from DVC's cache; None if absent or altered there."""
    path = CACHE / digest[:2] / digest[2:]
    if not path.exists() or f"{md5_file(path)}.dir" != digest:
        return None
    return {f"{folder}/{row['relpath']}": row["md5"] for row in json.loads(path.read_text())}

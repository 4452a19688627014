"""Write a crate, as a folder or a zip archive, whole or not at all; equal content, equal bytes."""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from nsgf.artifact import atomic
from nsgf.errors import NsgfError

METADATA = "ro-crate-metadata.json"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip archive can state


def pack(metadata: dict, files: Iterable[str], out: Path) -> None:
    """Write the metadata and the files, by the same paths as here, to `out`.

    Args:
        metadata: content of ro-crate-metadata.json.
        files: paths relative to this folder.
        out: a name that ends in .zip, or a folder that does not exist yet.

    Raises:
        NsgfError: `out` is a folder that exists.
    """
    text = json.dumps(metadata, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (_zip if out.suffix == ".zip" else _folder)(text, sorted(files), out)


def _zip(text: str, files: list[str], out: Path) -> None:
    with atomic(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(_entry(METADATA), text)
        for path in files:
            with Path(path).open("rb") as source, archive.open(_entry(path), "w") as target:
                shutil.copyfileobj(source, target)


def _entry(path: str) -> zipfile.ZipInfo:
    """A member without the time and the rights of the file here."""
    entry = zipfile.ZipInfo(path, EPOCH)
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return entry


def _folder(text: str, files: list[str], out: Path) -> None:
    if out.exists():
        raise NsgfError(f"'{out}' exists", "name another folder, or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as beside:
        half = Path(beside, out.name)
        for path in files:
            (half / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, half / path)
        (half / METADATA).write_text(text)
        half.replace(out)

"""Finished work that outlives the checkout: `$NSGF_STORE`, a folder that clones can share.

A task's key is made of its stage, unit, settings, code and the digests of its inputs, not of paths:
whoever would do the same work takes its outputs from here, with the provenance of whoever did it.
Bytes lie in blobs/<xx>/<sha256> and are read against their name when they are taken; a damaged one
is dropped, and the work done. Nothing is stored where the variable is not set.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from nsgf.artifact import atomic, sha256_file, write_json

ENVIRONMENT = "NSGF_STORE"


class Store:
    """A store in `root`."""

    def __init__(self, root: Path):
        self._root = root

    @classmethod
    def configured(cls) -> "Store | None":
        """The one that the environment names."""
        chosen = os.environ.get(ENVIRONMENT)
        return cls(Path(chosen)) if chosen else None

    def take(self, key: str, outputs: Mapping[str, str]) -> dict | None:
        """Put the outputs of the work `key` in place; returns its account, None if it is not here.

        Args:
            key: of the work.
            outputs: where each output goes, by name.
        """
        try:
            entry = json.loads(self._entry(key).read_text())
        except (OSError, ValueError):  # not stored, or cut off when a disk was full
            return None
        digests = entry["outputs"]
        if set(digests) != set(outputs) or not all(map(self._sound, digests.values())):
            return None
        for name, path in outputs.items():
            with atomic(Path(path)) as temporary:
                shutil.copyfile(self._blob(digests[name]), temporary)
        return entry["account"]

    def put(self, key: str, outputs: Mapping[str, str], account: dict) -> None:
        """Keep outputs that are in place, and the account that provenance is written from."""
        digests = {name: sha256_file(Path(path)) for name, path in outputs.items()}
        for name, path in outputs.items():
            blob = self._blob(digests[name])
            if not blob.exists():
                with atomic(blob) as temporary:
                    shutil.copyfile(path, temporary)
        write_json(self._entry(key), {"outputs": digests, "account": account})

    def remove(self) -> None:
        """Forget everything."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _entry(self, key: str) -> Path:
        return self._root / "work" / key[:2] / f"{key}.json"

    def _blob(self, digest: str) -> Path:
        return self._root / "blobs" / digest[:2] / digest

    def _sound(self, digest: str) -> bool:
        blob = self._blob(digest)
        if blob.is_file() and sha256_file(blob) == digest:
            return True
        blob.unlink(missing_ok=True)
        return False

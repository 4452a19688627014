"""Finished work that outlives the checkout: `$NSGF_STORE`, a folder that clones can share.

A task's key is made of its stage, unit, settings, code and the digests of its inputs, not of paths:
whoever would do the same work takes its outputs from here, with the provenance of whoever did it.
Bytes lie in blobs/<xx>/<sha256> and are read against their name when they are taken; where one is
damaged the work is done, and replaces it. A store that is full or may not be written is a warning.
Nothing is stored where the variable is not set.
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
            digests = entry["outputs"]
            if set(digests) != set(outputs) or not all(map(self._sound, digests.values())):
                return None
        except (OSError, ValueError):  # not stored, or cut off when a disk was full
            return None
        for name, path in outputs.items():
            with atomic(Path(path)) as temporary:
                shutil.copyfile(self._blob(digests[name]), temporary)
        return entry["account"]

    def put(self, key: str, outputs: Mapping[str, str], account: dict) -> None:
        """Keep outputs that are in place, and the account that provenance is written from."""
        digests = {name: sha256_file(Path(path)) for name, path in outputs.items()}
        try:
            for name, path in outputs.items():
                if not self._sound(digests[name]):
                    with atomic(self._blob(digests[name])) as temporary:
                        shutil.copyfile(path, temporary)
            write_json(self._entry(key), {"outputs": digests, "account": account})
        except OSError as error:
            print(f"not kept in the store '{self._root}': {error.strerror}", flush=True)

    def remove(self) -> None:
        """Forget everything."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _entry(self, key: str) -> Path:
        return self._root / "work" / key[:2] / f"{key}.json"

    def _blob(self, digest: str) -> Path:
        return self._root / "blobs" / digest[:2] / digest

    def _sound(self, digest: str) -> bool:
        blob = self._blob(digest)
        return blob.is_file() and sha256_file(blob) == digest

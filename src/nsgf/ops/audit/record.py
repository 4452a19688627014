"""What a commit records of a run: the published manifest, and the outputs in dvc.lock."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import yaml

from nsgf.artifact import SIDECAR
from nsgf.errors import NsgfError
from nsgf.layout import PUBLICATIONS, manifest_path
from nsgf.ops.audit import dvc
from nsgf.ops.audit.git import Commit


class Artefact(NamedTuple):
    """A line of the manifest: SHA-256 of the artefact and of its provenance, its recipe, and the
    numerics that it was made with (None: the manifest does not say)."""

    sha256: str
    provenance: str
    recipe: str
    numerics: Mapping | None = None


@dataclass(frozen=True)
class Record:
    """A run as the commit records it.

    Attributes:
        preset: whose run it is. only: the part of it that was run, None for all.
        made_by: the commit that the manifest says made the run.
        files: SHA-256 of each published copy, by its path in the folder of what is published.
        artefacts: by path; where the manifest knows copies alone, those that these are copies of.
        lock: dvc.lock.
        trees: DVC's digest of each output folder.
        left_out: output folders that are not pushed, because they can be rebuilt.
        read: content of a published copy by its path there, as the commit has it; None if absent.
    """

    preset: str = ""
    only: str | None = None
    made_by: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    artefacts: Mapping[str, Artefact] = field(default_factory=dict)
    lock: Mapping = field(default_factory=dict)
    trees: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    read: Callable[[str], bytes | None] = lambda path: None

    def digest(self, path: str) -> str | None:
        """SHA-256 of an artefact, or of provenance by its path; None if nothing is recorded."""
        known = self.artefacts.get(path.removesuffix(SIDECAR))
        return known and (known.provenance if path.endswith(SIDECAR) else known.sha256)

    def behind(self, recipe: Mapping[str, str]) -> frozenset[str]:
        """Artefacts that are not here, nor their provenance, and have these recipes."""
        same = (p for p, row in self.artefacts.items() if recipe.get(p) == row.recipe)
        return frozenset(p for p in same if not (Path(p).exists() or Path(p + SIDECAR).exists()))

    def absent(self) -> frozenset[str]:
        """Artefacts in folders that are not pushed and are not here."""
        folders = tuple(f"{f}/" for f in self.left_out if not Path(f).exists())
        return frozenset(path for path in self.artefacts if path.startswith(folders))


@contextlib.contextmanager
def legible(what: str) -> Iterator[None]:
    """Around the reading of what a commit records, which a merge may have damaged.

    Raises:
        NsgfError: `what` has another form than `nsgf publish` or DVC give it.
    """
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        said = (str(error) or type(error).__name__).splitlines()[0]
        mend = "commit it as nsgf publish and dvc write it"
        raise NsgfError(f"the commit's {what} cannot be read: {said}", mend) from error


def of_publication(commit: Commit, publication: str) -> Record:
    """What `commit` records of a run, of a preset or a part of one; an empty record if nothing.

    Args:
        commit: what is trusted.
        publication: what the run is published as.

    Raises:
        NsgfError: the manifest, dvc.lock or dvc.yaml is damaged in the commit.
    """
    with legible(manifest_path(publication)):
        manifest = json.loads(commit.read(manifest_path(publication)) or "{}")
        name, files = manifest.get("preset", publication), manifest.get("files", {})
        copies = {
            f"results/{name}/{path}": (digest, files[path + SIDECAR], "")
            for path, digest in files.items()
            if path + SIDECAR in files
        }
        rows = manifest.get("artefacts", copies)
        keys = manifest.get("numerics", {})
        artefacts = {p: Artefact(*row[:3], *map(keys.get, row[3:])) for p, row in rows.items()}
    with legible(f"{dvc.LOCK} or {dvc.PIPELINE}"):
        lock, pipeline = (
            yaml.safe_load(commit.read(f) or b"") or {} for f in (dvc.LOCK, dvc.PIPELINE)
        )
        trees, outputs = dvc.folders(lock, name), dvc.outputs(pipeline, name)
    left_out = {p for p, flags in outputs.items() if trees and flags.get("push") is False}
    return Record(
        name,
        manifest.get("only"),
        manifest.get("commit"),
        files,
        artefacts,
        lock,
        trees,
        frozenset(left_out),
        lambda path: commit.read(f"{PUBLICATIONS}/{publication}/{path}"),
    )

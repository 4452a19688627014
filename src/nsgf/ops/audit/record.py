"""What a commit records of a run: the published manifest, and the outputs in dvc.lock."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from nsgf.layout import manifest_path
from nsgf.ops.audit.git import Commit

LOCK, PIPELINE = "dvc.lock", "dvc.yaml"


@dataclass(frozen=True)
class Artefact:
    """A line of the manifest: SHA-256 of the artefact and of its provenance, and its recipe."""

    sha256: str
    provenance: str
    recipe: str


@dataclass(frozen=True)
class Record:
    """A run as the commit records it.

    Attributes:
        made_by: the commit that the manifest says made the run.
        artefacts: by path.
        trees: DVC's digest of each output folder.
        left_out: output folders that are not pushed, because they can be rebuilt.
    """

    made_by: str | None = None
    artefacts: Mapping[str, Artefact] = field(default_factory=dict)
    trees: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()

    @property
    def empty(self) -> bool:
        return not self.artefacts and not self.trees


def of_preset(commit: Commit, name: str) -> Record:
    """What `commit` records of preset `name`; an empty record if nothing."""
    manifest = json.loads(commit.read(manifest_path(name)) or "{}")
    artefacts = {p: Artefact(*row) for p, row in manifest.get("artefacts", {}).items()}
    trees, left_out = _dvc(commit, name)
    return Record(manifest.get("commit"), artefacts, trees, frozenset(left_out))


def _dvc(commit: Commit, name: str) -> tuple[dict[str, str], set[str]]:
    """Digests of the output folders, and those folders that are not pushed."""
    lock, pipeline = (yaml.safe_load(commit.read(f) or b"") or {} for f in (LOCK, PIPELINE))
    outs = [o for stage in lock.get("stages", {}).values() for o in stage.get("outs", ())]
    if not any(o["path"].startswith(f"results/{name}/") for o in outs):
        return {}, set()
    left_out = {p for p, flags in outputs(pipeline, name).items() if flags.get("push") is False}
    # Snakemake's own records change with every run and decide no number.
    return {o["path"]: o["md5"] for o in outs if not o["path"].startswith(".snakemake")}, left_out


def outputs(pipeline: Mapping, preset: str) -> dict[str, dict]:
    """The folders that dvc.yaml names as outputs of a preset, each with its flags."""
    declared = [o for s in pipeline.get("stages", {}).values() for o in s.get("outs", ())]
    pairs = (next(iter(o.items())) if isinstance(o, dict) else (o, {}) for o in declared)
    return {path.replace("${preset}", preset): flags for path, flags in pairs}

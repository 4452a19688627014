"""The two things that can be audited: a run in results/, and the published part of one."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from nsgf.artifact import SIDECAR, sha256_file
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.errors import NsgfError
from nsgf.layout import PUBLICATIONS, manifest_path
from nsgf.ops.audit import checks, expected, files, record
from nsgf.ops.audit.checks import Run
from nsgf.ops.audit.findings import Finding
from nsgf.ops.audit.git import Commit


@dataclass(frozen=True)
class Subject:
    """What was audited and what was found.

    Attributes:
        root: its folder.
        run: its artefacts beside the DAG.
        record: what the commit says of it.
        findings: what is wrong.
    """

    root: Path
    run: Run
    record: record.Record
    findings: tuple[Finding, ...]


def of_results(commit: Commit, name: str, remade: bool) -> Subject:
    """Audit results/<name> by this tree's DAG and by the commit's record."""
    preset = load(Path(f"config/{name}.yaml"), Preset)
    known = record.of_preset(commit, name)
    run = on_disk(preset, known)
    found = chain(
        checks.by_itself(run),
        checks.settings(preset),
        checks.strangers(run),
        checks.data(run, Path("config/datasets.yaml")),
        _recorded(run, known, commit, remade),
    )
    return Subject(Path(f"results/{name}"), run, known, tuple(found))


def on_disk(preset: Preset, known: record.Record) -> Run:
    """The artefacts of results/<preset>, hashed."""
    jobs = expected.of_preset(preset)
    places = {p: Path(p) for job in jobs for p in job.artefacts}
    left_out = checks.left_out(jobs, known)

    def elsewhere(path: str) -> str | None:
        if path in left_out:
            return known.artefacts[path].sha256
        if path.removesuffix(SIDECAR) in left_out:
            return known.artefacts[path.removesuffix(SIDECAR)].provenance
        return sha256_file(Path(path)) if Path(path).is_file() else "missing"

    temporary = {p for job in jobs for p in job.temporary}
    return Run(preset.name, jobs, files.read(places, temporary), elsewhere, left_out)


def sound(preset: Preset) -> Run:
    """The artefacts of a finished run, whatever a commit says of them.

    Raises:
        NsgfError: one is missing, altered or stale.
    """
    run = on_disk(preset, record.Record())
    if found := sorted(checks.by_itself(run), key=lambda f: f.rank):
        first = found[0]
        raise NsgfError(
            f"the run is not sound: {len(found)} artefacts are not what they should be, first of"
            f" all {first.path} ({first.kind}: {first.why})",
            f"restore them (dvc checkout), or run: make reproduce PRESET={preset.name}",
        )
    return run


def _recorded(run: Run, known: record.Record, commit: Commit, remade: bool) -> Iterator[Finding]:
    if known.empty:
        folder = f"results/{run.name}"
        why = f"commit {commit.id[:10]} says nothing of it: nsgf publish, then commit"
        yield Finding("not recorded", folder, why)
    if known.artefacts:
        yield from checks.by_record(run, known, remade)
    if known.trees and not remade:
        yield from checks.by_trees(run, known)


def of_published(commit: Commit, name: str) -> Subject:
    """Audit results/published/<name> by the manifest in `commit`, and by the code that it names."""
    root, known = Path(PUBLICATIONS) / name, record.of_preset(commit, name)
    manifest = json.loads(commit.read(manifest_path(name)) or "{}")
    if not known.made_by or not commit.holds(known.made_by):
        why = (
            f"commit {commit.id[:10]} has no manifest of it, or one that names no commit before it"
        )
        nothing = Run(name, (), {}, lambda path: None)
        return Subject(root, nothing, known, (Finding("not recorded", str(root), why),))
    jobs = expected.of_commit(commit, known.made_by, name)
    known = replace(known, artefacts=_copies(name, manifest["files"]) | {**known.artefacts})
    copies = {f"results/{name}/{p}": root / p for p in manifest["files"]}
    places = {p: copies[p] for job in jobs for p in job.artefacts if p in copies}

    def elsewhere(path: str) -> str | None:
        if path in known.artefacts:
            return known.artefacts[path].sha256
        content = commit.read_at(known.made_by, path)
        return content and hashlib.sha256(content).hexdigest()

    run = Run(name, jobs, files.read(places), elsewhere)
    found = (*_published(root, manifest["files"], known), *checks.by_itself(run))
    return Subject(root, run, known, found)


def _copies(name: str, listed: dict[str, str]) -> dict[str, record.Artefact]:
    """Published copies as the record of the artefacts that they are copies of."""
    return {
        f"results/{name}/{path}": record.Artefact(digest, listed[path + SIDECAR], "")
        for path, digest in listed.items()
        if path + SIDECAR in listed
    }


def _published(root: Path, listed: dict[str, str], known: record.Record) -> Iterator[Finding]:
    """Published copies against the manifest, and the manifest against itself."""
    for path, digest in listed.items():
        file, artefact = root / path, known.artefacts.get(f"results/{root.name}/{path}")
        if not file.is_file():
            yield Finding("missing", str(file), "the commit's manifest names it")
        elif sha256_file(file) != digest:
            yield Finding("forged", str(file), f"the commit's manifest records {digest[:12]}")
        elif artefact and artefact.sha256 != digest:
            yield Finding("forged", str(file), "the manifest's two digests of it differ")
    for file in sorted(p for p in root.rglob("*") if p.is_file()):
        if str(file.relative_to(root)) not in listed and file.name != "MANIFEST.json":
            yield Finding("unknown", str(file), "the commit's manifest does not name it")

"""What can be audited: a run in results/, whole or before it goes on, and what is published."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from nsgf.artifact import SIDECAR, sha256_file
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs, snapshot_file
from nsgf.engine.lineage import recipes
from nsgf.errors import NsgfError
from nsgf.layout import PUBLICATIONS, Layout
from nsgf.ops.audit import checks, dvc, expected, files, record
from nsgf.ops.audit.checks import Finding, Run
from nsgf.ops.audit.git import Commit

Audited = tuple[Run, list[Finding]]
SHOWN = ("table", "figure", "claims")


def of_results(commit: Commit, preset: Preset) -> Audited:
    """Audit the run of a preset, or of a part of one, by this tree's DAG and the commit's record.

    It is the archive of the recorded run if no provenance differs from the record's. A run of one's
    own has provenance and times of its own, which DVC's digests of whole folders know nothing of.
    """
    known = record.of_publication(commit, preset.publication)
    run = on_disk(preset, known)
    found = [
        *checks.by_itself(run),
        *checks.settings(preset),
        *checks.strangers(run),
        *checks.data(run),
    ]
    if not known.artefacts and not known.trees:
        why = f"commit {commit.id[:10]} says nothing of it: nsgf publish, then commit"
        found.append(Finding("not recorded", str(run.root), why))
    if known.artefacts:
        found += checks.by_record(run)
    whole = not (preset.only or run.behind)  # DVC's digests are of whole folders
    if known.trees and whole and not (run.own or run.outdated):
        found += checks.by_trees(run)
    return run, found


def on_disk(preset: Preset, known: record.Record) -> Run:
    """The artefacts of results/<preset>, hashed."""
    tasks, root = expected.of_preset(preset), Path(f"results/{preset.name}")
    named = any(row.recipe for row in known.artefacts.values())
    recipe = recipes(jobs(preset)) if named else {}
    restored = Path(Layout(str(root)).restored).exists()
    behind = known.behind(recipe) if restored else frozenset()
    left_out = known.absent() | behind
    here = [(p, t.temporary) for t in tasks for p in t.artefacts]
    found = files.read({p: Path(p) for p, _ in here}, {p for p, temporary in here if temporary})
    for path in left_out & found.keys():
        found[path] = files.File(known.digest(path), known.digest(path + SIDECAR), None)

    def elsewhere(path: str) -> str:
        if path.removesuffix(SIDECAR) in left_out:
            return known.digest(path)
        return sha256_file(Path(path)) if Path(path).is_file() else "missing"

    rest = expected.of_preset(preset.part(None)) if preset.only else []
    others = frozenset(p for task in rest for p in task.artefacts)
    read = str(snapshot_file(preset))
    return Run(
        preset.name, root, tasks, found, known, elsewhere, left_out, recipe, others, behind, read
    )


def sound(preset: Preset, known: record.Record | None = None, unfinished: bool = False) -> Run:
    """The artefacts of a run, whatever a commit says of them.

    Args:
        preset: that was run.
        known: what a commit records of it, where that may stand for what is not here.
        unfinished: whether artefacts may be missing, and what is made of them all may be stale.

    Raises:
        NsgfError: one is missing, altered or stale.
    """
    run = on_disk(preset, known or record.Record())
    every = checks.by_itself(run)
    if unfinished:
        every = (f for f in every if f.kind != "missing" and not is_shown(run, f.path))
    if found := sorted(every, key=lambda f: f.rank):
        first = found[0]
        raise NsgfError(
            f"the run is not sound: {len(found)} artefacts are not what they should be, first of"
            f" all {first.path} ({first.kind}: {first.why})",
            f"restore them (dvc checkout), or run: make reproduce PRESET={preset.name}",
        )
    return run


def is_shown(run: Run, path: str) -> bool:
    """Whether an artefact is made of all that a run has measured."""
    return run.maker[path].stage in SHOWN


def gate(commit: Commit, preset: Preset) -> int:
    """Refuse files that no honest run can have left; returns how many were read.

    Snakemake takes an altered file for a newer input, and DVC would record what comes of it. Files
    that are missing, or that changed settings will make anew, are no concern of the gate.

    Raises:
        NsgfError: there are such files; the message names them.
    """
    known = record.of_publication(commit, preset.publication)
    run = on_disk(preset, known)
    found = [f for f in checks.by_itself(run) if f.kind == "altered"]
    found += [f for f in checks.by_record(run) if f.kind == "forged"]
    if not (known.artefacts or preset.only) and known.trees and dvc.is_current(known.lock):
        found += [f for f in checks.by_trees(run) if Path(f.path).is_file()]
    if found:
        named = dict.fromkeys(f"{f.path} ({f.why})" for f in found)
        raise NsgfError(
            f"{len(named)} files are not what was recorded of them: {', '.join([*named][:5])}",
            "restore them (dvc checkout), or remove them, and make reproduce COMPLETE=1 makes them"
            " anew; what you made yourself and trust is recorded by nsgf publish or dvc commit",
        )
    return sum(f.sha256 is not None for p, f in run.files.items() if p not in run.left_out)


def of_published(commit: Commit, publication: str) -> Audited:
    """Audit what is published by the manifest in `commit`, and by the code that it names."""
    root, known = Path(PUBLICATIONS) / publication, record.of_publication(commit, publication)
    name = known.preset
    if not known.made_by or not commit.holds(known.made_by):
        why = (
            f"commit {commit.id[:10]} has no manifest of it, or one that names no commit before it"
        )
        nothing = Run(name, root, (), {}, known, lambda path: None)
        return nothing, [Finding("not recorded", str(root), why)]
    then = Commit(known.made_by)
    tasks = expected.of_commit(then, name, known.only)
    copies = {f"results/{name}/{p}": p for p in known.files}
    made = (p for task in tasks for p in task.artefacts)

    def elsewhere(path: str) -> str | None:
        if digest := known.digest(path):
            return digest
        content = then.read(path)
        return content and hashlib.sha256(content).hexdigest()

    found = files.read({p: root / copies[p] for p in made if p in copies})
    run = Run(name, root, tasks, found, known, elsewhere)
    return run, [*_copies(run), *checks.by_itself(run)]


def _copies(run: Run) -> Iterator[Finding]:
    """Published copies against the manifest, and the manifest against itself."""
    listed = run.record.files
    for path, digest in listed.items():
        file, recorded = run.root / path, run.record.digest(f"results/{run.name}/{path}")
        if not file.is_file():
            yield Finding("missing", str(file), "the commit's manifest names it")
        elif sha256_file(file) != digest:
            yield Finding("forged", str(file), f"the commit's manifest records {digest[:12]}")
        elif recorded not in (None, digest):
            yield Finding("forged", str(file), "the manifest's two digests of it differ")
    for file in sorted(p for p in run.root.rglob("*") if p.is_file()):
        if str(file.relative_to(run.root)) not in listed and file.name != "MANIFEST.json":
            yield Finding("unknown", str(file), "the commit's manifest does not name it")

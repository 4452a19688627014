"""What must hold before a run may go on from files that are there: none may be a forgery.

Snakemake takes an altered file for a newer input, and DVC would record what comes of it. Files that
are missing, or that changed settings will make anew, are no concern of the gate.
"""

from collections.abc import Iterator
from pathlib import Path

import yaml

from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.errors import NsgfError
from nsgf.ops.audit import checks, dvc_tree, expected, record, subject
from nsgf.ops.audit.checks import Run
from nsgf.ops.audit.findings import Finding
from nsgf.ops.audit.git import Commit

IGNORED = ("__pycache__", ".egg-info")  # as in .dvcignore


def check(name: str, commit: Commit) -> int:
    """Refuse files that no honest run can have left; returns how many were read.

    Raises:
        NsgfError: there are such files; the message names them.
    """
    known = record.of_preset(commit, name)
    run = subject.on_disk(load(Path(f"config/{name}.yaml"), Preset), known)
    found = [f for f in checks.by_itself(run) if f.kind == "altered"]
    found += _same_recipe(run, known)
    if not known.artefacts and known.trees and _is_current(commit):
        found += [f for f in checks.by_trees(run, known) if Path(f.path).is_file()]
    if found:
        named = dict.fromkeys(f"{f.path} ({f.why})" for f in found)
        raise NsgfError(
            f"{len(named)} files are not what was recorded of them: {', '.join([*named][:5])}",
            "restore them (dvc checkout), or remove them, and make reproduce COMPLETE=1 makes them"
            " anew; what you made yourself and trust is recorded by nsgf publish or dvc commit",
        )
    return sum(file.sha256 is not None for file in run.files.values())


def _same_recipe(run: Run, known: record.Record) -> Iterator[Finding]:
    """Files whose whole recipe is that of the record must have the recorded bytes."""
    recipes = expected.recipes(run.expected)
    for path, file in run.files.items():
        recorded = known.artefacts.get(path)
        same = recorded and recorded.recipe == recipes[path] and checks.TIMING not in path
        if same and file.sha256 not in (None, recorded.sha256):
            yield Finding("forged", path, f"the commit records {recorded.sha256[:12]}")


def _is_current(commit: Commit) -> bool:
    """Whether dvc.lock was recorded with the code and settings that are here."""
    lock = yaml.safe_load(commit.read(record.LOCK) or b"") or {}
    for stage in lock.get("stages", {}).values():
        if any(_md5(Path(dep["path"])) != dep["md5"] for dep in stage.get("deps", ())):
            return False
        for file, values in stage.get("params", {}).items():
            if not Path(file).is_file() or yaml.safe_load(Path(file).read_text()) != values:
                return False
    return True


def _md5(path: Path) -> str | None:
    if path.is_file():
        return dvc_tree.md5_file(path)
    inside = [p for p in path.rglob("*") if p.is_file()]
    kept = [p for p in inside if not any(part.endswith(IGNORED) for part in p.parts)]
    return dvc_tree.tree_digest(str(path), {str(p): dvc_tree.md5_file(p) for p in kept})

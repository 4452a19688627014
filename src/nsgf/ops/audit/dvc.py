"""What DVC records of a run: digests of folders, in dvc.lock and in its cache.

They are held against bytes, never against DVC's own index: it remembers digests by time stamp and
size, so that `dvc status` believes a file that was altered with its time stamp kept.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import yaml

CACHE = Path(".dvc/cache/files/md5")
LOCK, PIPELINE = "dvc.lock", "dvc.yaml"
IGNORED = ("__pycache__", ".egg-info")  # as in .dvcignore


def contents(folder: str | Path) -> dict[str, str]:
    """MD5 of every file in a folder."""
    files = (p for p in Path(folder).rglob("*") if p.is_file())
    return {str(p): md5_file(p) for p in files if not any(x.endswith(IGNORED) for x in p.parts)}


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


def folders(lock: Mapping, preset: str) -> dict[str, str]:
    """Digest of each output folder in a lock, if it is that of a run of `preset`."""
    outs = [o for stage in lock.get("stages", {}).values() for o in stage.get("outs", ())]
    if not any(o["path"].startswith(f"results/{preset}/") for o in outs):
        return {}
    # Snakemake's own records change with every run and decide no number.
    return {o["path"]: o["md5"] for o in outs if not o["path"].startswith(".snakemake")}


def outputs(pipeline: Mapping, preset: str) -> dict[str, dict]:
    """The folders that dvc.yaml names as outputs of a preset, each with its flags."""
    declared = [o for s in pipeline.get("stages", {}).values() for o in s.get("outs", ())]
    pairs = (next(iter(o.items())) if isinstance(o, dict) else (o, {}) for o in declared)
    return {path.replace("${preset}", preset): flags for path, flags in pairs}


def is_current(lock: Mapping) -> bool:
    """Whether a lock was recorded with the code and settings that are here."""
    for stage in lock.get("stages", {}).values():
        for dep in stage.get("deps", ()):
            path = Path(dep["path"])
            now = md5_file(path) if path.is_file() else tree_digest(dep["path"], contents(path))
            if now != dep["md5"]:
                return False
        for file, values in stage.get("params", {}).items():
            if not Path(file).is_file() or yaml.safe_load(Path(file).read_text()) != values:
                return False
    return True

"""What a finished run consists of, once it is certain that it is finished and unaltered."""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nsgf.artifact import SIDECAR, sha256_file, sidecar
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.errors import NsgfError
from nsgf.jobs import Job, jobs
from nsgf.layout import DATA, Layout
from nsgf.progress import bar

# The workflow: everything that a stranger needs to run it again.
CODE = (
    *("Snakefile", "workflow", "profiles", "src", "config", "requirements", "environment.yml"),
    *("pyproject.toml", "Makefile", "LICENSE", "README.md", "CITATION.cff"),
)
DATASETS = "config/datasets.yaml"
NOT_CODE = ("__pycache__", ".egg-info")
SHOWN = 5  # files that a message names


@dataclass(frozen=True)
class Timing:
    """When a job ran, in UTC, and the largest memory that it held."""

    start: datetime
    end: datetime
    peak_mb: float | None


@dataclass(frozen=True)
class Finished:
    """A finished run: its jobs, each artefact's provenance, and what goes into the crate."""

    preset: Preset
    jobs: tuple[Job, ...]
    provenance: dict[str, dict]  # by artefact
    files: dict[str, str]  # path in the crate and from here: SHA-256
    left_out: dict[str, str]  # artefacts that the crate names but does not hold: SHA-256

    @property
    def layout(self) -> Layout:
        return Layout(f"results/{self.preset.name}")


def finished_run(file: Path, without: Iterable[str] = ()) -> Finished:
    """The run of a preset in this folder.

    Args:
        file: the preset.
        without: kinds of artefacts to name without holding them, such as `samples`.

    Raises:
        NsgfError: something is missing, differs from its provenance or was made by other code.
    """
    preset = load(file, Preset)
    made = tuple(jobs(preset))
    missing = [p for p in (*_outputs(made), *CODE) if not Path(p).exists()]
    mend = f"run: make reproduce PRESET={preset.name}"
    _refuse(missing, "the run is not complete; missing", mend)
    provenance = {p: _provenance(p) for p in _outputs(made) if not p.endswith(SIDECAR)}
    stale = [p for j in made for p in artefacts(j) if provenance[p].get("code") != j.code]
    _refuse(stale, "the code here is not the code that made", mend)
    digests = _digests([*provenance])
    altered = [p for p in provenance if provenance[p].get("sha256") != digests[p]]
    restore = "restore them (dvc checkout), or remove them and run make reproduce COMPLETE=1"
    _refuse(altered, "files are not what their provenance states", restore)

    folders = (f"{DATA}/", *(f"results/{preset.name}/{kind}/" for kind in without))
    left_out = {p: d for p, d in digests.items() if p.startswith(folders)}
    kept = [p for p in _outputs(made) if p.removesuffix(SIDECAR) not in left_out]
    others = [*_code(), *_settings(preset, made)]
    files = {p: digests.get(p) or sha256_file(Path(p)) for p in [*kept, *others]}
    return Finished(preset, made, provenance, files, left_out)


def timing(run: Finished, job: Job) -> Timing | None:
    """When `job` ran: its benchmark file was written when it ended and says how long it took."""
    path = Path(run.layout.timing(job.name))
    if not path.exists():
        return None
    with path.open() as handle:
        row = next(csv.DictReader(handle, delimiter="\t"))
    end = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    peak = None if row["max_rss"] in ("-", "NA") else float(row["max_rss"])
    return Timing(end - timedelta(seconds=float(row["s"])), end, peak)


def _outputs(made: Iterable[Job]) -> list[str]:
    return [path for job in made for path in job.outputs]


def artefacts(job: Job) -> list[str]:
    """Outputs of a job but for their sidecars."""
    return [path for path in job.outputs if not path.endswith(SIDECAR)]


def _provenance(path: str) -> dict:
    try:
        return dict(json.loads(sidecar(Path(path)).read_text()))
    except (OSError, ValueError, TypeError):
        return {}  # which states no code and no digest, and so is refused


def _digests(paths: list[str]) -> dict[str, str]:
    found = {}
    with bar(len(paths), "crate") as progress:
        for path in paths:
            found[path] = sha256_file(Path(path))
            progress.update()
    return found


def _code() -> Iterator[str]:
    for name in CODE:
        inside = sorted(Path(name).rglob("*")) if Path(name).is_dir() else [Path(name)]
        for path in inside:
            hidden = any(part.startswith(".") or part.endswith(NOT_CODE) for part in path.parts)
            if path.is_file() and not hidden:
                yield str(path)


def _settings(preset: Preset, made: Iterable[Job]) -> list[str]:
    """Settings and timings, which are beside the artefacts and have no provenance of their own."""
    root = Path(f"results/{preset.name}")
    timings = [f"{root}/timings/{job.name}.tsv" for job in made]
    return [*map(str, sorted(root.glob("config/**/*.json"))), *filter(_exists, timings)]


def _exists(path: str) -> bool:
    return Path(path).exists()


def _refuse(wrong: list[str], what: str, mend: str) -> None:
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise NsgfError(f"no crate: {what}: {', '.join(wrong[:SHOWN])}{more}", mend)

"""What a finished run consists of, once it is certain that it is finished and unaltered."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nsgf.artifact import SIDECAR, sha256_file
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.task import Job
from nsgf.errors import NsgfError
from nsgf.layout import DATA, Layout, paper_file
from nsgf.ops.audit.dvc import IGNORED
from nsgf.ops.audit.subject import sound

# The workflow: everything that a stranger needs to run it again.
CODE = (
    *("Snakefile", "workflow", "profiles", "src", "config", "requirements", "environment.yml"),
    *("pyproject.toml", "Makefile", "LICENSE", "README.md", "CITATION.cff"),
)
DATASETS = "config/datasets.yaml"


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
    run = sound(preset)
    if absent := [p for p in CODE if not Path(p).exists()]:
        raise NsgfError(
            f"no crate: the workflow is not whole, {', '.join(absent)} is missing",
            "restore it (git checkout)",
        )
    provenance = {path: file.body for path, file in run.files.items()}
    digests = {path: file.sha256 for path, file in run.files.items()}
    folders = (f"{DATA}/", *(f"results/{preset.name}/{kind}/" for kind in without))
    gone = {p for job in made for p in job.temporary}
    left_out = {p: d for p, d in digests.items() if p in gone or p.startswith(folders)}
    outputs = (path for job in made for path in job.outputs)
    kept = [p for p in outputs if p.removesuffix(SIDECAR) not in left_out]
    files = {
        p: digests.get(p) or sha256_file(Path(p))
        for p in (*kept, *_code(), *_settings(preset, made))
    }
    return Finished(preset, made, provenance, files, left_out)


def registries(made: Iterable[Job]) -> list[str]:
    """What says how the data of some jobs are known."""
    fetched = (task for job in made for task in job.tasks if job.stage == "fetch")
    return sorted({DATASETS, *(task.inputs["registry"] for task in fetched)})


def papers(preset: Preset) -> list[str]:
    """Printed numbers that a preset is held against."""
    return sorted({paper_file(s.paper) for s in preset.studies.values() if s.paper})


def _code() -> Iterator[str]:
    for name in CODE:
        inside = sorted(Path(name).rglob("*")) if Path(name).is_dir() else [Path(name)]
        for path in inside:
            hidden = any(part.startswith(".") or part.endswith(IGNORED) for part in path.parts)
            if path.is_file() and not hidden:
                yield str(path)


def _settings(preset: Preset, made: Iterable[Job]) -> list[str]:
    """Settings and timings, which are beside the artefacts and have no provenance of their own."""
    root = Path(f"results/{preset.name}")
    timings = (root / f"timings/{job.name}.tsv" for job in made)
    found = [*sorted(root.glob("config/**/*.json")), *filter(Path.exists, timings)]
    return [str(path) for path in found]

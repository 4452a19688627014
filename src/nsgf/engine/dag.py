"""All tasks and jobs of a preset, what a complete run ends with, and what a path is made by."""

import importlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nsgf.artifact import read_json, write_text
from nsgf.config.base import load
from nsgf.config.find import presets
from nsgf.config.preset import Preset
from nsgf.engine.branch import Branch, branches
from nsgf.engine.code import stage_module
from nsgf.engine.task import Job, Task, grouped
from nsgf.errors import NsgfError
from nsgf.layout import DATA, INCEPTION, Layout
from nsgf.metrics.weights import inception_file
from nsgf.registry import STAGES, lookup


@dataclass(frozen=True)
class Outline:
    """What stages list their tasks from: a preset, its layout and the branches that are run."""

    preset: Preset

    @cached_property
    def layout(self) -> Layout:
        return Layout(f"results/{self.preset.name}")

    @cached_property
    def branches(self) -> list[Branch]:
        every, running = branches(self.preset), self.preset.running
        return [b for b in every if b.name in running and b.dataset in running[b.name].datasets]

    def of(self, study: str) -> list[Branch]:
        """Branches of one study."""
        return [branch for branch in self.branches if branch.name == study]


def tasks(preset: Preset) -> list[Task]:
    """All tasks of a preset, stage by stage."""
    outline = Outline(preset)
    modules = [importlib.import_module(stage_module(stage)) for stage in STAGES]
    return [task for module in modules for task in module.tasks(outline)]


def jobs(preset: Preset) -> list[Job]:
    """All jobs of a preset, each a process over one or more tasks."""
    return grouped(tasks(preset))


def targets(preset: Preset, complete: bool = False) -> list[str]:
    """What a run ends with; `complete` asks for all that stays."""
    return [p for j in jobs(preset) if complete or j.reported for p in j.kept]


def write_snapshot(preset: Preset) -> None:
    """Write the preset that jobs will read; a file whose content is the same is left alone.

    An answer about the Inception weights that no longer holds is removed, so that it is asked
    again: put the weights in place and FID appears.
    """
    answer = Path(INCEPTION)
    if answer.exists() and read_json(answer)["available"] != (inception_file() is not None):
        answer.unlink()
    path = snapshot_file(preset)
    text = snapshot_text(preset)
    if not path.exists() or path.read_text() != text:
        write_text(path, text)


def snapshot_file(preset: Preset) -> Path:
    """Where the preset lies that jobs read; a part of it has a file of its own."""
    return Path(Layout(f"results/{preset.name}").snapshot(preset.part_name))


def snapshot_text(preset: Preset) -> str:
    """A preset as JSON, in its own order: the first of two cells that want a name has it."""
    whole = {"only"} if preset.only is None else None
    return json.dumps(preset.model_dump(mode="json", exclude=whole), indent=1) + "\n"


def tasks_of_job(preset: Preset, name: str) -> list[Task]:
    """The tasks of the job `name`.

    Raises:
        NsgfError: there is no such job.
    """
    return list(lookup({job.name: job for job in jobs(preset)}, name, "job").tasks)


def tasks_for(paths: list[str], preset: Path | None = None) -> list[Task]:
    """The tasks that make some artefacts, each once.

    Args:
        paths: artefacts, from the top of the checkout.
        preset: the preset's file; by default each path under results/<preset>/ names its own, and
            data that is the same for all presets is made by any.

    Raises:
        NsgfError: no task makes one of them, or it belongs to no preset.
    """
    known: dict[Path, dict[str, Task]] = {}
    found: dict[str, Task] = {}
    for path in paths:
        file = preset or _preset_of(path)
        if file not in known:
            every = tasks(load(file, Preset))
            known[file] = {p: task for task in every for p in task.artefacts}
        task = lookup(known[file], path, f"artefact of {file}")
        found[task.artefacts[0]] = task
    return list(found.values())


def _preset_of(path: str) -> Path:
    """The preset that a path of results belongs to, as its run has read it or as it is here; of
    data, any that has it."""
    words = Path(path).parts
    if len(words) > 2 and words[0] == "results":
        kept = Path(Layout(f"results/{words[1]}").preset)
        parts = sorted(kept.parent.glob("preset-*.json"), key=lambda p: p.stat().st_mtime)
        for file in (kept, *reversed(parts), Path(f"config/{words[1]}.yaml")):
            if file.exists():
                return file
    if path.startswith(f"{DATA}/"):
        for file in presets():
            if any(path in task.artefacts for task in tasks(load(file, Preset))):
                return file
    raise NsgfError(
        f"'{path}' does not say which preset makes it",
        "name the preset: --preset config/quick.yaml",
    )

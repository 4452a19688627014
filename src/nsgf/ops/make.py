"""`nsgf make`: make artefacts by their paths, or all that a job makes."""

from collections.abc import Sequence
from pathlib import Path

from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import tasks_for, tasks_of_job
from nsgf.engine.make import make
from nsgf.errors import NsgfError
from nsgf.threads import set_threads


def run(paths: Sequence[str], job: str | None, preset: Path | None) -> None:
    """Make them, whatever lies there; what they are made from must be there and undamaged.

    Args:
        paths: artefacts, from the top of the checkout.
        job: name of a job of `preset`, instead of paths.
        preset: the preset's file; paths below results/ name theirs.

    Raises:
        NsgfError: no task makes a path, there is no such job, or an input is missing or damaged.
    """
    if bool(job) == bool(paths) or (job and preset is None):
        raise NsgfError("nsgf make takes paths, or --job with --preset", "say which one to make")
    work = tasks_of_job(load(preset, Preset), job) if job else tasks_for(list(paths), preset)
    set_threads(max(task.threads for task in work))
    make(work)

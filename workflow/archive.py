"""What DVC, the archive, asks of a run: files that no archive kept, and folders that it names."""

from collections.abc import Sequence
from pathlib import Path

from nsgf.config.base import read_yaml
from nsgf.engine.task import Job
from nsgf.ops.audit.record import PIPELINE, outputs


def holes(every: Sequence[Job]) -> list[str]:
    """Missing outputs of jobs from which another job's finished outputs were made."""
    used = {p for job in every if all(Path(o).exists() for o in job.kept) for p in job.inputs}
    made_from = [job for job in every if used & set(job.outputs)]
    return [p for job in made_from for p in job.kept if not Path(p).exists()]


def make_outputs(preset: str) -> None:
    """Make the folders that dvc.yaml names as outputs and that this preset has nothing for.

    DVC refuses a stage without them, after the whole run; an empty folder is an output like others.
    Only a complete run may do so: elsewhere a missing folder is one that was not restored, and an
    empty one in its place would be an altered one.

    Raises:
        NsgfError: dvc.yaml cannot be read.
    """
    pipeline = Path(PIPELINE)
    for folder in outputs(read_yaml(pipeline) if pipeline.exists() else {}, preset):
        Path(folder).mkdir(parents=True, exist_ok=True)

"""Nothing is built on damaged files: they are named before Snakemake starts.

Snakemake sees times, not bytes: a file that was altered with its time stamp kept would be built on,
one that was altered openly would be a newer input, and good results would be made anew from it.
"""

from collections.abc import Sequence
from pathlib import Path

from nsgf.artifact import read_json, sidecar
from nsgf.engine.digests import Digests, altered, damaged
from nsgf.engine.task import Job, Task


def refuse_damaged(every: Sequence[Job]) -> None:
    """Refuse to go on from artefacts whose bytes are not those that their provenance states.

    Files that the run makes anew, because settings or code have changed, do not count, nor do
    temporary ones that are gone.

    Raises:
        NsgfError: there are such files, or provenance that cannot be read; it names them.
    """
    digests = Digests()
    wrong = altered([path for job in every for path in job.artefacts], digests)
    digests.keep()
    if wrong:
        anew = _made_anew(every)
        wrong = [path for path in wrong if path not in anew]
    if wrong:
        raise damaged(wrong)


def _made_anew(every: Sequence[Job]) -> set[str]:
    """Artefacts of jobs whose settings or code have changed, and of all jobs after them."""
    maker = {path: job for job in every for path in job.outputs}
    known: dict[str, bool] = {}

    def changed(job: Job) -> bool:
        if job.name not in known:
            before = {maker[p].name: maker[p] for p in job.inputs if p in maker}
            known[job.name] = any(map(_is_stale, job.tasks)) or any(map(changed, before.values()))
        return known[job.name]

    return {path for job in every if changed(job) for path in job.artefacts}


def _is_stale(task: Task) -> bool:
    """Whether what lies there was made by another recipe."""
    for path in map(sidecar, map(Path, task.artefacts)):
        if path.is_file():
            body = read_json(path)
            made = [body.get(key) for key in ("stage", "config", "code")]
            if made != [task.stage, task.config, task.code]:
                return True
    return False

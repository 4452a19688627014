"""Are the Inception weights here? Try once to download them if not.

Writes what it found as JSON, so that the stages that measure run again when the answer changes.
"""

from collections.abc import Iterator

from nsgf.config.base import Model
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.layout import INCEPTION


def tasks(outline: Outline) -> Iterator[Task]:
    """One, where a study asks for Inception's features."""
    if any(s.metrics.asks_for_inception for s in outline.preset.running.values()):
        yield Task(
            "fetch-inception",
            {},
            Model(),
            inputs={},
            outputs={"answer": INCEPTION},
            part="fetch-inception",
            priority=100,
            local=True,
        )


def make(settings: Model, unit, files) -> None:
    """Write {"available": ...}.

    Raises:
        NsgfError: a file is there but does not hold the published weights.
    """
    from nsgf.artifact import write_json
    from nsgf.errors import NsgfError
    from nsgf.metrics.inception import download_inception, inception_available

    if not inception_available():
        try:
            download_inception()
        except NsgfError as error:
            print(f"no FID and no IS: {error.what}", flush=True)
    write_json(files.outputs["answer"], {"available": inception_available()})

"""An image data set, verified, as memory-mapped arrays."""

from collections.abc import Iterator

from nsgf.config.base import Model
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.layout import DATA
from nsgf.registry import ARRAYS


class FetchStage(Model):
    """Which set."""

    dataset: str


def tasks(outline: Outline) -> Iterator[Task]:
    """One for each image set of the preset."""
    names = {branch.spec.target for branch in outline.branches if branch.spec.is_image}
    for name in sorted(names):
        yield Task(
            "fetch",
            {"dataset": name},
            FetchStage(dataset=name),
            inputs={"registry": "config/datasets.yaml"},
            outputs={array: f"{DATA}/{name}/{array}.npy" for array in ARRAYS},
            part=f"fetch-{name}",
            priority=100,
            local=True,
        )


def make(settings: FetchStage, unit, files) -> dict:
    """Fetch a set and verify what lies there."""
    from nsgf.data.images import fetch, verify

    folder, registry = files.outputs["train_images"].parent, files.inputs["registry"]
    source = fetch(settings.dataset, folder, registry=registry)
    verify(settings.dataset, folder, registry=registry)
    return {"source": source}

"""An image data set, verified, as memory-mapped arrays."""

from collections.abc import Iterator

from nsgf.config.base import Model
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.layout import DATA
from nsgf.registry import ARRAYS


def tasks(outline: Outline) -> Iterator[Task]:
    """One for each image set of the preset."""
    names = {branch.spec.target for branch in outline.branches if branch.spec.is_image}
    for name in sorted(names):
        yield Task(
            "fetch",
            {"dataset": name},
            Model(),
            inputs={"registry": "config/datasets.yaml"},
            outputs={array: f"{DATA}/{name}/{array}.npy" for array in ARRAYS},
            part=f"fetch-{name}",
            priority=100,
            local=True,
        )


def make(settings: Model, unit, files) -> dict:
    """Fetch a set and verify what lies there."""
    from nsgf.data.images import fetch, verify

    folder, registry = files.outputs["train_images"].parent, files.inputs["registry"]
    source = fetch(unit["dataset"], folder, registry=registry)
    verify(unit["dataset"], folder, registry=registry)
    return {"source": source}

"""Data that are known by their digests: image sets as memory-mapped arrays, and tables."""

from collections.abc import Iterator

from nsgf.config.base import Model
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.layout import DATA
from nsgf.registry import ARRAYS


def tasks(outline: Outline) -> Iterator[Task]:
    """One for each image set, and each table that a law is read from."""
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
    specs = [branch.spec for branch in outline.branches if not branch.spec.cloud]
    files = {file for spec in specs for file in spec.files}
    for file in sorted(f for f in files if f.startswith(f"{DATA}/")):
        name = file.split("/")[-2]
        yield Task(
            "fetch",
            {"dataset": name},
            Model(),
            inputs={"registry": "config/tables.yaml"},
            outputs={"table": file},
            part=f"fetch-{name}",
            priority=100,
            local=True,
        )


def make(settings: Model, unit, files) -> dict:
    """Fetch a set and verify what lies there."""
    from nsgf.data import images, tables

    registry, name = files.inputs["registry"], unit["dataset"]
    form, place = tables, files.outputs.get("table")
    if not place:
        form, place = images, files.outputs["train_images"].parent
    source = form.fetch(name, place, registry=registry)
    form.verify(name, place, registry=registry)
    return {"source": source}

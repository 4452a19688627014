"""Features of part of a set of image samples, for `evaluate` to join."""

from collections.abc import Iterator

from nsgf.config.metrics import ReferenceStage
from nsgf.engine.branch import split
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.layout import FEATURES
from nsgf.registry import DATASETS
from nsgf.stages.reference import instrument_modules, measuring


class FeaturesStage(ReferenceStage):
    """All that decides the features of a part."""

    shards: int
    """Parts of a set, count."""


def tasks(outline: Outline) -> Iterator[Task]:
    """Every part of every set of samples, where jobs share a set's features."""
    for branch in outline.branches:
        shards = branch.study.shards.features
        for placed in branch.cells if shards > 1 else ():
            for unit in (part for whole in branch.sets for part in split(whole, shards)):
                yield branch.task(
                    "features",
                    placed.samples,
                    unit,
                    settings=FeaturesStage(**measuring(branch), shards=shards),
                    inputs={
                        "samples": f"{placed.samples}.npy".format(**unit),
                        "reference": f"{branch.reference}.json",
                        **branch.measured_with,
                    },
                    outputs={"features": (placed.samples + FEATURES).format(**unit)},
                    modules=instrument_modules(branch),
                    temporary=True,
                )


def make(settings: FeaturesStage, unit, files) -> dict:
    """Compute the features of one part (dataset, seed, sample, shard)."""
    from nsgf.artifact import read_json, read_npy
    from nsgf.data.arrays import as_images
    from nsgf.device import set_up
    from nsgf.metrics.embedding import embed, save
    from nsgf.shards import FEATURE_BATCH, shard_rows
    from nsgf.studies.images.measure import extractors

    device = set_up(settings.compute)
    names = list(read_json(files.inputs["reference"])["spaces"])
    spaces = extractors(settings, names, files.inputs.get("classifier"), device)
    points = read_npy(files.inputs["samples"], mapped=True)
    rows = shard_rows(unit["shard"], settings.shards, len(points), FEATURE_BATCH)
    images = as_images(points[rows], DATASETS[unit["dataset"]].shape)
    save(files.outputs["features"], {e.name: embed(e, images) for e in spaces})
    return {"spaces": {e.name: e.digest for e in spaces}}

"""Join the samples that parallel jobs drew into one set."""

from collections.abc import Iterator

from nsgf.config.sample import SampleStage
from nsgf.engine.branch import filled, split
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.layout import PART
from nsgf.stages.sample import PARTS, SET, settings_of


def tasks(outline: Outline) -> Iterator[Task]:
    """Every set of samples that jobs share."""
    for branch in outline.branches:
        shards = branch.study.shards.sample
        for placed in branch.cells if shards > 1 else ():
            for unit in branch.sets:
                parts = split(unit, shards)
                yield branch.task(
                    "gather",
                    placed.samples,
                    unit,
                    settings=settings_of(branch, placed, shards),
                    inputs={k: filled(placed.samples + PART + e, parts) for k, e in PARTS.items()},
                    outputs={k: (placed.samples + e).format(**unit) for k, e in SET.items()},
                )


def make(settings: SampleStage, unit, files) -> dict:
    """Join the parts of one set (dataset, seed, sample).

    Raises:
        NsgfError: a part is of other work, or has not as many samples as it should.
    """
    from nsgf.config.base import deciding
    from nsgf.device import set_up
    from nsgf.engine.parts import check_parts, unusable
    from nsgf.sample.files import read_part, write_set
    from nsgf.shards import shard_rows

    # A mean's bytes depend on threads; nothing here needs a GPU.
    set_up(settings.compute.model_copy(update={"device": "cpu"}))
    sampling, paths = settings.sampling, files.inputs["samples"]
    for each in files.inputs.values():
        check_parts(each, "sample", unit, deciding(settings))
    drawn = [read_part(path) for path in paths]
    for k, part in enumerate(drawn):
        rows = shard_rows(k, len(paths), sampling.n_samples, sampling.batch_size)
        if len(part.x) != rows.stop - rows.start:
            raise unusable(paths[k], f"it holds {len(part.x)} samples")
    return write_set(files.outputs["samples"], drawn)

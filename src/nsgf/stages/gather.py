"""`nsgf gather`: join the parts of sets of samples, as one job would have drawn them."""

from collections.abc import Sequence
from pathlib import Path

from nsgf.artifact import record
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.sample import SampleStage
from nsgf.device import set_up
from nsgf.sample.files import PART, SET, read_part, write_set
from nsgf.shards import shard_rows
from nsgf.stages.parts import check_parts, unusable
from nsgf.stages.unit import Unit, fill, require


def run(config: Path, units: Sequence[Unit], parts: str, shards: int, out: str) -> None:
    """Join the parts of `units` (dataset, seed, sample).

    Args:
        config: the SampleStage that the parts were drawn with.
        units: sets of samples.
        parts: template of their parts' .npy, with {shard}.
        shards: parts of a set, count.
        out: template of the samples, ending in .npy; .npz (paths) and .json (cost) go beside it.

    Raises:
        NsgfError: a part is missing, altered, short, or of another set, setting, code or network.
    """
    stage = load(config, SampleStage)
    set_up(stage.compute.model_copy(update={"device": "cpu"}))  # a mean's bytes depend on threads
    for unit in units:
        require(unit, "dataset", "seed", "sample")
        paths = [fill(parts, unit | {"shard": k}) for k in range(shards)]
        _gather(stage, unit, paths, fill(out, unit))


def _gather(stage: SampleStage, unit: Unit, paths: Sequence[Path], out: Path) -> None:
    settings, sampling = stage.model_dump(mode="json"), stage.sampling
    files = [[path.with_suffix(ending) for ending in PART] for path in paths]
    stated = check_parts(files, unit, "sample", settings)
    drawn = [read_part(path) for path in paths]
    for k, part in enumerate(drawn):
        rows = shard_rows(k, len(paths), sampling.n_samples, sampling.batch_size)
        if part.cost.n != rows.stop - rows.start:
            raise unusable(paths[k], f"it holds {part.cost.n} samples")
    cost = write_set(out, drawn)
    record(
        *(out.with_suffix(ending) for ending in SET),
        stage="gather",
        config=settings,
        seed=stage.seed,
        code=stage_code("gather"),
        inputs=[file for names in files for file in names],
        facts={"unit": unit, "device": stated["facts"]["device"]} | cost,
    )

"""`nsgf features`: features of part of a set of image samples, for `nsgf evaluate` to join."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from nsgf.artifact import read_json, read_npy, record
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.metrics import FEATURE_BATCH, EvaluateStage
from nsgf.data.arrays import to_uint8
from nsgf.device import set_up
from nsgf.metrics.embedding import embed, save
from nsgf.progress import bar
from nsgf.registry import DATASETS, lookup
from nsgf.shards import shard_rows
from nsgf.stages.reference import extractors, measuring_code
from nsgf.stages.unit import Unit, fill, require


def sample_images(points: np.ndarray, dataset: str) -> np.ndarray:
    """Samples (n, d) of an image set as grey levels, uint8 (n, c, h, w)."""
    shape = lookup(DATASETS, dataset, "data set").shape
    return to_uint8(torch.from_numpy(points).unflatten(1, shape)).numpy()


def run(
    config: Path,
    units: Sequence[Unit],
    samples: str,
    reference: str,
    classifier: str | None,
    shards: int,
    out: str,
) -> None:
    """Compute the features of `units` (dataset, seed, sample, shard).

    Args:
        config: an EvaluateStage.
        units: which parts of which sets.
        samples: template of the samples' .npy.
        reference: template of the reference's .json, which names the feature spaces.
        classifier: template of the classifier, where features ask for it.
        shards: parts of a set, count.
        out: template of the features, .npz, with {shard}.
    """
    stage = load(config, EvaluateStage)
    device = set_up(stage.compute)
    with bar(len(units), "features") as progress:
        for unit in units:
            require(unit, "dataset", "seed", "sample", "shard")
            source, against, target = (fill(t, unit) for t in (samples, reference, out))
            weights = fill(classifier, unit) if classifier else None
            names = list(read_json(against)["spaces"])
            spaces = extractors(stage, names, weights, device)
            points = read_npy(source, mapped=True)
            rows = shard_rows(unit["shard"], shards, len(points), FEATURE_BATCH)
            images = sample_images(points[rows], unit["dataset"])
            save(target, {e.name: embed(e, images) for e in spaces})
            digests = {e.name: e.digest for e in spaces}
            record(
                target,
                stage="features",
                config=stage.model_dump(mode="json"),
                seed=stage.seed,
                code=stage_code("features", unit["dataset"], used=measuring_code(classifier)),
                inputs=[source, against, *([weights] if weights else [])],
                facts={"unit": unit, "shards": shards, "spaces": digests},
            )
            progress.update()

"""Bytes that a job leaves, from the shapes of its arrays."""

import math
from collections.abc import Callable

import numpy as np

from nsgf.config.pool import PoolStage
from nsgf.config.preset import Preset, Study
from nsgf.engine.task import Job, Unit
from nsgf.ops.plan.nets import size_of
from nsgf.ops.plan.reference import Figures
from nsgf.ops.plan.work import FEATURES, evaluations, share, used_spaces
from nsgf.registry import DATASETS

FLOAT = 4


def disk_bytes(job: Job, preset: Preset, figures: Figures) -> float:
    """Disk that the outputs of `job` take; a small file or a sidecar counts a block."""
    constants = figures.disk
    small = constants["file_bytes"] * len(job.outputs) + constants.get(job.stage, 0)
    study = preset.studies.get(job.study)
    if job.stage not in ARRAYS or study is None:
        return small
    count = ARRAYS[job.stage]
    return small + sum(count(job.settings, study, unit, constants) for unit in job.units)


def _pool(stage: PoolStage, study: Study, unit: Unit, constants: dict) -> float:
    pool, d = stage.pool, _numbers(unit)
    batches, width = pool.batches / pool.shards, np.dtype(pool.dtype).itemsize
    rows = batches * stage.flow.steps * pool.batch_size
    if pool.storage == "points":
        return 2 * rows * d * width
    return rows * (8 + constants["row_entries"] * (2 + width)) + 9 * batches * pool.batch_size


def _train(stage, study: Study, unit: Unit, constants: dict) -> float:
    return FLOAT * size_of(stage.training.net, DATASETS[unit["dataset"]].shape).parameters


def _sample(stage, study: Study, unit: Unit, constants: dict) -> float:
    states = (evaluations(stage) + 1) * stage.sampling.path_samples
    d = _numbers(unit)
    n = share(stage.sampling.n_samples, unit, stage.shards)
    return FLOAT * (n * d + states * (d + 1))


def _features(stage, study: Study, unit: Unit, constants: dict) -> float:
    n = share(study.sampling.n_samples, unit, stage.shards)
    return FLOAT * n * sum(FEATURES[s] for s in used_spaces(stage.metrics))


def _reference(stage, study: Study, unit: Unit, constants: dict) -> float:
    if stage.kind != "images":
        return 0.0
    return FLOAT * stage.metrics.n_test * sum(FEATURES[s] for s in used_spaces(stage.metrics))


def _evaluate(stage, study: Study, unit: Unit, constants: dict) -> float:
    image = DATASETS[unit["dataset"]].is_image
    return 2 * stage.metrics.neighbours * _numbers(unit) if image else 0.0


def _numbers(unit: Unit) -> int:
    return math.prod(DATASETS[unit["dataset"]].shape)


ARRAYS: dict[str, Callable[..., float]] = {
    "build-pool": _pool,
    "train": _train,
    "sample": _sample,
    "reference": _reference,
    "gather": _sample,
    "features": _features,
    "evaluate": _evaluate,
}

"""Bytes that a job leaves, from the shapes of its arrays."""

import math

import numpy as np

from nsgf.config.preset import Preset, Study
from nsgf.engine.task import Job, Unit
from nsgf.ops.plan.nets import size_of
from nsgf.ops.plan.reference import figures
from nsgf.ops.plan.work import evaluations, features_mb, share
from nsgf.registry import DATASETS

FLOAT = 4


def disk_bytes(job: Job, preset: Preset) -> float:
    """Disk that the outputs of `job` take; a small file or a sidecar counts a block."""
    constants = figures().disk
    small = constants["file_bytes"] * len(job.outputs) + constants.get(job.stage, 0)
    study = preset.studies.get(job.study)
    if study is None:
        return small
    return small + sum(_arrays(job.stage, job.settings, study, unit) for unit in job.units)


def _arrays(kind: str, stage, study: Study, unit: Unit) -> float:
    """Bytes of the arrays that a stage of this kind makes of a unit; 0 where there are none."""
    if "dataset" not in unit:
        return 0.0
    dataset = DATASETS[unit["dataset"]]
    d = math.prod(dataset.shape)
    match kind:
        case "build-pool":
            pool, width = stage.pool, np.dtype(stage.pool.dtype).itemsize
            batches = pool.batches / pool.shards
            rows = batches * stage.flow.steps * pool.batch_size
            if pool.storage == "points":
                return 2 * rows * d * width
            entries = figures().disk["row_entries"] * (2 + width)
            return rows * (8 + entries) + 9 * batches * pool.batch_size
        case "train":
            return FLOAT * size_of(stage.training.net, dataset.shape).parameters
        case "sample" | "gather":
            states = (evaluations(stage) + 1) * stage.sampling.path_samples
            n = share(stage.sampling.n_samples, unit, stage.shards)
            return FLOAT * (n * d + states * (d + 1))
        case "features":
            n = share(study.sampling.n_samples, unit, stage.shards)
            return 1e6 * features_mb(stage.metrics, n)
        case "reference" if stage.kind == "images":
            return 1e6 * features_mb(stage.metrics, stage.metrics.n_test)
        case "evaluate" if dataset.is_image:
            return 2 * stage.metrics.neighbours * d
    return 0.0

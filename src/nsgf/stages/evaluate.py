"""`nsgf evaluate`: the metrics of each set of samples, as one .json; images with neighbours."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from nsgf.artifact import atomic, read_json, read_npy, read_npz, record, write_json
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.metrics import EvaluateStage
from nsgf.data.problem import open_problem, training_files
from nsgf.device import set_up
from nsgf.metrics.wasserstein import Measured
from nsgf.progress import bar
from nsgf.registry import DATASETS, lookup
from nsgf.rng import stream
from nsgf.stages.reference import extractors, measuring_code, planar_test_set
from nsgf.stages.unit import Unit, fill, require


def run(
    config: Path,
    units: Sequence[Unit],
    data: Path | None,
    samples: str,
    reference: str,
    classifier: str | None,
    out: str,
) -> None:
    """Measure the samples of `units` (dataset, seed, sample, method).

    Args:
        config: an EvaluateStage.
        units: what to measure.
        data: folder of the image sets.
        samples: template of the samples' .npy; the cost is read from the .json beside it.
        reference: template of the reference's .json.
        classifier: template of the classifier, where features ask for it.
        out: template of the metrics' .json; for images neighbours go beside it as .npz.
    """
    stage = load(config, EvaluateStage)
    device = set_up(stage.compute)
    spaces: dict[Path, list] = {}
    with bar(len(units), "evaluate") as progress:
        for unit in units:
            require(unit, "dataset", "seed", "sample")
            source, target, against = (fill(t, unit) for t in (samples, out, reference))
            spec = lookup(DATASETS, unit["dataset"], "data set")
            inputs = [source, source.with_suffix(".json"), against]
            if spec.is_image:
                weights = fill(classifier, unit) if classifier else None
                known = read_json(against)["spaces"]
                if against not in spaces:
                    spaces[against] = extractors(stage, list(known), weights, device)
                folder = Path(data) / spec.target
                rows, facts = _images(stage, unit, source, against, spaces[against], folder, target)
                inputs += [against.with_suffix(".npz"), *training_files(unit["dataset"], data)]
                inputs += [weights] if weights else []
            else:
                rows, facts = _planar(stage, unit, source, against), {}
            cost = read_json(source.with_suffix(".json"))
            body = {"unit": unit, "cost": cost, "facts": facts, "metrics": _rows(rows)}
            write_json(target, body)
            record(
                target,
                *([target.with_suffix(".npz")] if spec.is_image else []),
                stage="evaluate",
                config=stage.model_dump(mode="json"),
                seed=stage.seed,
                code=stage_code("evaluate", unit["dataset"], used=measuring_code(classifier)),
                inputs=inputs,
                facts={"unit": unit},
            )
            progress.update()


def _rows(rows: Sequence[Measured]) -> list[dict]:
    """JSON has no nan: a missing floor is null."""
    return [{k: None if v != v else v for k, v in asdict(row).items()} for row in rows]


def _planar(stage: EvaluateStage, unit: Unit, source: Path, against: Path) -> list[Measured]:
    from nsgf.metrics.wasserstein import measure

    test = planar_test_set(stage, open_problem(unit["dataset"], None), unit)
    floor = read_json(against)["floors"]
    names = stage.metrics.planar_metrics(unit["sample"])
    return measure(torch.from_numpy(read_npy(source)), test, floor, names)


def _images(stage, unit, source: Path, against: Path, spaces, folder: Path, target: Path):
    from nsgf.data.arrays import to_uint8
    from nsgf.metrics.images import Distances, class_report, measured, score

    shape = lookup(DATASETS, unit["dataset"], "data set").shape
    points = torch.from_numpy(read_npy(source))
    images = to_uint8(points.unflatten(1, shape)).numpy()
    reference = read_json(against)["spaces"]
    distances = Distances(stage.metrics.kid_subsets, stage.metrics.kid_subset_size)
    rows, facts = [], {}
    for extractor in spaces:
        numbers = stream(stage.seed, "kid", unit["dataset"], unit["seed"], unit["sample"])
        known = reference[extractor.name]
        test = read_npz(against.with_suffix(".npz"), extractor.name)
        values = distances.between(extractor, extractor.features(images), test, numbers)
        values |= score(extractor, images)
        rows += measured(values, known["floors"], known["protocol"], len(images))
        if extractor.name == "classifier":
            facts = class_report(extractor, images)
    with atomic(target.with_suffix(".npz")) as temporary:
        _save_neighbours(temporary, points, images, stage.metrics.neighbours, folder)
    return rows, facts


def _save_neighbours(path: Path, points, images: np.ndarray, count: int, folder: Path) -> None:
    from nsgf.data.arrays import load as load_images
    from nsgf.metrics.images import nearest

    train, _ = load_images(folder, "train")
    index = nearest(points[:count], torch.from_numpy(np.array(train))).numpy()
    np.savez(path, samples=images[:count], neighbours=train[index], index=index)

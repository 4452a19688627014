"""`nsgf evaluate`: the metrics of each set of samples, as one .json; images with neighbours."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from nsgf.artifact import atomic, digest, read_json, read_npy, read_npz, record, write_json
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.metrics import EvaluateStage
from nsgf.data.problem import open_problem, training_files
from nsgf.device import set_up
from nsgf.errors import NsgfError
from nsgf.metrics.wasserstein import Measured
from nsgf.progress import bar
from nsgf.registry import DATASETS, lookup
from nsgf.rng import stream
from nsgf.stages.parts import check_parts, unusable
from nsgf.stages.reference import extractors, measuring_code, planar_test_set
from nsgf.stages.unit import Unit, fill, require


def run(
    config: Path,
    units: Sequence[Unit],
    data: Path | None,
    samples: str,
    reference: str,
    classifier: str | None,
    features: str | None,
    shards: int | None,
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
        features: template of features that `nsgf features` computed, with {shard}; None: computed
            here, to the same bytes.
        shards: parts of these features, count.
        out: template of the metrics' .json; for images neighbours go beside it as .npz.
    """
    if (features is None) != (shards is None):
        raise NsgfError("evaluate takes --features and --shards together", "give both, or neither")
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
                parts = [fill(features, unit | {"shard": k}) for k in range(shards or 0)]
                rows, facts = _images(stage, unit, source, against, spaces[against], parts)
                kept = target.with_suffix(".npz")
                _save_neighbours(stage, unit, source, Path(data) / spec.target, kept)
                inputs += [against.with_suffix(".npz"), *training_files(unit["dataset"], data)]
                inputs += [*([weights] if weights else []), *parts]
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


def _images(stage, unit, source: Path, against: Path, spaces, parts: Sequence[Path]):
    from nsgf.metrics import embedding
    from nsgf.metrics.images import Distances, class_report, measured, score
    from nsgf.stages.features import sample_images

    points = read_npy(source, mapped=True)
    if parts:
        _check_features(stage, unit, source, spaces, parts)
    else:
        images = sample_images(points, unit["dataset"])
    reference = read_json(against)["spaces"]
    distances = Distances(stage.metrics.kid_subsets, stage.metrics.kid_subset_size)
    rows, facts = [], {}
    for extractor in spaces:
        name = extractor.name
        found = embedding.load(parts, extractor) if parts else embedding.embed(extractor, images)
        if len(found.features) != len(points):
            raise unusable(parts[-1], f"there are {len(found.features)} rows in all")
        numbers = stream(stage.seed, "kid", unit["dataset"], unit["seed"], unit["sample"])
        known, test = reference[name], read_npz(against.with_suffix(".npz"), name)
        values = distances.between(extractor, found.features, test, numbers)
        values |= score(extractor, found.probabilities)
        rows += measured(values, known["floors"], known["protocol"], len(points))
        if name == "classifier":
            facts = class_report(found.probabilities)
    return rows, facts


def _check_features(stage, unit, source: Path, spaces, parts: Sequence[Path]) -> None:
    stated = check_parts([[p] for p in parts], unit, "features", stage.model_dump(mode="json"))
    weights = {extractor.name: extractor.digest for extractor in spaces}
    if digest(source) not in stated["inputs"].values() or stated["facts"]["spaces"] != weights:
        raise unusable(parts[0], "it is of other samples, or made with other weights")


def _save_neighbours(stage: EvaluateStage, unit: Unit, source: Path, folder: Path, out: Path):
    from nsgf.data.arrays import load as load_images
    from nsgf.metrics.images import nearest
    from nsgf.stages.features import sample_images

    train, _ = load_images(folder, "train")
    points = read_npy(source, mapped=True)[: stage.metrics.neighbours]
    index = nearest(torch.from_numpy(points), torch.from_numpy(np.array(train))).numpy()
    images = sample_images(points, unit["dataset"])
    with atomic(out) as temporary:
        np.savez(temporary, samples=images, neighbours=train[index], index=index)

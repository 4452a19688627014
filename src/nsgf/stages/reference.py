"""`nsgf reference`: what samples are compared with; made once, whatever the methods.

2-D, unit (dataset, seed, sample): the test set and its same-distribution floors, as one .json.
Images, unit (dataset): the test set's features, one array a feature space, as .npz, and the floors
of training images as .json.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from nsgf.artifact import atomic, record, write_json
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.metrics import EvaluateStage
from nsgf.data.problem import PlanarProblem, open_problem
from nsgf.device import set_up
from nsgf.metrics.extractor import Extractor
from nsgf.registry import DATASETS, lookup
from nsgf.rng import stream
from nsgf.stages.unit import Unit, fill


def planar_test_set(stage: EvaluateStage, problem: PlanarProblem, unit: Unit) -> torch.Tensor:
    """The unit's test points, (n_test, 2): the same for every method."""
    numbers = stream(stage.seed, "test", unit["dataset"], unit["seed"], unit["sample"])
    return problem.target(stage.metrics.n_test, numbers)


def run(
    config: Path, units: Sequence[Unit], data: Path | None, classifier: str | None, out: str
) -> None:
    """Make the references of `units` into `out` (a .json; image features go beside it)."""
    stage = load(config, EvaluateStage)
    device = set_up(stage.compute)
    for unit in units:
        target = fill(out, unit)
        spec = lookup(DATASETS, unit["dataset"], "data set")
        inputs = []
        if spec.is_image:
            weights = fill(classifier, unit) if classifier else None
            body, inputs = _images(stage, unit, Path(data) / spec.target, weights, device, target)
        else:
            body = _planar(stage, unit)
        write_json(target, body)
        record(
            target,
            *([target.with_suffix(".npz")] if spec.is_image else []),
            stage="reference",
            config=stage.model_dump(mode="json"),
            seed=stage.seed,
            code=stage_code("reference", unit["dataset"]),
            inputs=inputs,
            facts={"unit": unit},
        )


def _planar(stage: EvaluateStage, unit: Unit) -> dict:
    from nsgf.metrics.wasserstein import floors

    problem = open_problem(unit["dataset"], None)
    numbers = stream(stage.seed, "floor", unit["dataset"], unit["seed"], unit["sample"])
    test = planar_test_set(stage, problem, unit)
    names = stage.metrics.planar_metrics(unit["sample"])
    return {"floors": floors(problem, test, stage.metrics.floor_draws, numbers, names)}


def _images(stage, unit, folder: Path, weights: Path | None, device, target: Path):
    from nsgf.data.arrays import load as load_images
    from nsgf.metrics.images import Distances

    metrics = stage.metrics
    train, _ = load_images(folder, "train")
    against, _ = load_images(folder, metrics.against)
    numbers = stream(stage.seed, "reference", unit["dataset"])
    # A random part of the split: some sets are stored in the order of their sources.
    chosen = np.sort(torch.randperm(len(against), generator=numbers)[: metrics.n_test].numpy())
    floor = np.sort(torch.randperm(len(train), generator=numbers)[: metrics.n_floor].numpy())
    distances = Distances(metrics.kid_subsets, metrics.kid_subset_size)
    spaces, kept, inputs = {}, {}, [folder / "test_images.npy", folder / "train_images.npy"]
    for extractor in extractors(stage, weights, device):
        features = extractor.features(against[chosen])
        kept[extractor.name] = features
        spaces[extractor.name] = {
            "protocol": f"{extractor.protocol}; {len(chosen)} {metrics.against} images",
            "weights": extractor.digest,
            "floors": distances.between(
                extractor, extractor.features(train[floor]), features, numbers
            ),
        }
    with atomic(target.with_suffix(".npz")) as temporary:
        np.savez(temporary, **kept)
    facts = {}
    if weights:
        inputs.append(weights)
        facts["classifier_accuracy"] = _accuracy(weights, *load_images(folder, "test"), device)
    return {"spaces": spaces, "facts": facts}, inputs


def extractors(stage: EvaluateStage, weights: Path | None, device) -> list[Extractor]:
    """The feature spaces that can be had here, in the configured order."""
    from nsgf.artifact import recorded_digest
    from nsgf.metrics import features
    from nsgf.nets.build import load as load_network

    found = []
    for name in stage.metrics.features:
        if name == "inception":
            if features.inception_available():
                mode = stage.metrics.inception_mode
                found.append(features.build(name, device, mode=mode))
            else:
                print("inception weights are not here: no FID, no IS", flush=True)
        elif name == "classifier":
            net = load_network(weights, device)
            found.append(features.classifier(net, device, recorded_digest(weights)))
        else:
            found.append(features.build(name, device))
    return found


def _accuracy(weights: Path, images: np.ndarray, labels: np.ndarray, device) -> float:
    from nsgf.metrics import features
    from nsgf.nets.build import load as load_network

    read = features.classifier(load_network(weights, device), device).probabilities(images)
    return float((read.argmax(1) == labels).mean())

"""`nsgf reference`: what samples are compared with; made once, whatever the methods.

2-D, unit (dataset, seed, sample): the test set and its same-distribution floors, as one .json.
Images, unit (dataset): the test set's features, one array a feature space, as .npz, and the floors
of training images as .json.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from nsgf.artifact import atomic, digest, record, write_json
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.metrics import EvaluateStage
from nsgf.data.arrays import ARRAYS
from nsgf.data.problem import PlanarProblem, open_problem
from nsgf.device import set_up
from nsgf.metrics.extractor import Extractor
from nsgf.registry import DATASETS, NETS, lookup
from nsgf.rng import stream
from nsgf.stages.unit import Unit, fill, require


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
        spec = lookup(DATASETS, unit["dataset"], "data set")
        require(unit, *(("dataset",) if spec.is_image else ("dataset", "seed", "sample")))
        target, inputs = fill(out, unit), []
        if spec.is_image:
            weights = fill(classifier, unit) if classifier else None
            folder = Path(data) / spec.target
            body = _images(stage, unit, folder, weights, device, target)
            inputs = [folder / f"{a}.npy" for a in ARRAYS] + ([weights] if weights else [])
        else:
            body = _planar(stage, unit)
        write_json(target, body)
        record(
            target,
            *([target.with_suffix(".npz")] if spec.is_image else []),
            stage="reference",
            config=stage.model_dump(mode="json"),
            seed=stage.seed,
            code=stage_code("reference", unit["dataset"], used=measuring_code(classifier)),
            inputs=inputs,
            facts={"unit": unit},
        )


def measuring_code(classifier: str | None) -> tuple[str, ...]:
    """Modules of networks that measure."""
    return (NETS["classifier"],) if classifier else ()


def _planar(stage: EvaluateStage, unit: Unit) -> dict:
    from nsgf.metrics.wasserstein import distances, floors

    problem = open_problem(unit["dataset"], None)
    numbers = stream(stage.seed, "floor", unit["dataset"], unit["seed"], unit["sample"])
    test = planar_test_set(stage, problem, unit)
    names = stage.metrics.planar_metrics(unit["sample"])
    found = floors(problem, test, stage.metrics.floor_draws, numbers, names)
    again = problem.target(stage.metrics.n_test, numbers)
    return {"floors": found, "sampler_floor": distances(again, test, ("w2",))["w2"]}


def _images(stage, unit, folder: Path, weights: Path | None, device, target: Path) -> dict:
    from nsgf.data.arrays import load as load_images
    from nsgf.metrics.features import inception_available
    from nsgf.metrics.images import Distances

    metrics = stage.metrics
    other = "train" if metrics.against == "test" else "test"
    against, _ = load_images(folder, metrics.against)
    apart, _ = load_images(folder, other)
    # A random part of each split: some sets are stored in the order of their sources.
    chosen = _part(stage, unit, "reference", len(against), metrics.n_test)
    floor = _part(stage, unit, "floor", len(apart), metrics.n_floor)
    distances = Distances(metrics.kid_subsets, metrics.kid_subset_size)
    spaces, kept, facts = {}, {}, {}
    names = [n for n in metrics.features if n != "inception" or inception_available()]
    for extractor in extractors(stage, names, weights, device):
        numbers = stream(stage.seed, "floor kid", unit["dataset"], extractor.name)
        features = extractor.features(against[chosen])
        kept[extractor.name] = features
        values = distances.between(extractor, extractor.features(apart[floor]), features, numbers)
        spaces[extractor.name] = {
            "protocol": f"{extractor.protocol}; {len(chosen)} {metrics.against} images",
            "weights": extractor.digest,
            "floors": values,
        }
        if extractor.name == "classifier":
            images, labels = load_images(folder, "test")
            right = extractor.probabilities(images).argmax(1) == labels
            facts["classifier_accuracy"] = float(right.mean())
    with atomic(target.with_suffix(".npz")) as temporary:
        np.savez(temporary, **kept)
    return {"spaces": spaces, "facts": facts}


def _part(stage: EvaluateStage, unit: Unit, purpose: str, size: int, count: int) -> np.ndarray:
    """Sorted indices of `count` of `size` images."""
    numbers = stream(stage.seed, purpose, unit["dataset"])
    return np.sort(torch.randperm(size, generator=numbers)[:count].numpy())


def extractors(
    stage: EvaluateStage, names: Sequence[str], weights: Path | None, device
) -> list[Extractor]:
    """The feature spaces `names`, in their order.

    Raises:
        NsgfError: the weights of one are missing or damaged.
    """
    from nsgf.metrics import features
    from nsgf.nets.build import load as load_network

    options = {
        "inception": lambda: {"mode": stage.metrics.inception_mode},
        "classifier": lambda: {"net": load_network(weights, device), "digest": digest(weights)},
    }
    return [features.build(n, device, **options.get(n, dict)()) for n in names]

"""Distances between the features of samples and of test images, in every available feature space.

The reference holds the test set's features, one array a space, and as floors the distances of as
many training images.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from nsgf.artifact import atomic, read_json, read_npy, read_npz, sha256_file, write_json
from nsgf.config.metrics import EvaluateStage, ReferenceStage
from nsgf.data.arrays import as_images, load
from nsgf.device import set_up
from nsgf.errors import NsgfError
from nsgf.metrics import embedding
from nsgf.metrics.extractor import Extractor
from nsgf.metrics.features import build
from nsgf.metrics.images import Distances, class_report, measured, nearest, score
from nsgf.metrics.wasserstein import Measured
from nsgf.nets.build import load as load_network
from nsgf.registry import DATASETS
from nsgf.rng import stream


def reference(settings: ReferenceStage, unit, files) -> None:
    """The test set's features as .npz, and the floors of training images as .json.

    Raises:
        NsgfError: a split has fewer images than are asked for.
    """
    device, metrics, dataset = set_up(settings.compute), settings.metrics, unit["dataset"]
    folder = image_folder(files)
    against, _ = load(folder, metrics.against)
    apart, _ = load(folder, "train" if metrics.against == "test" else "test")
    # A random part of each split: some sets are stored in the order of their sources.
    for key, split in (("n_test", against), ("n_floor", apart)):
        if (count := getattr(metrics, key)) > len(split):
            raise NsgfError(
                f"metrics.{key} is {count}, but that split of {dataset} has {len(split)} images",
                f"give {len(split)} or less",
            )
    chosen = _part(settings, dataset, "reference", len(against), metrics.n_test)
    floor = _part(settings, dataset, "floor", len(apart), metrics.n_floor)
    distances = Distances(metrics.kid_subsets, metrics.kid_subset_size)
    spaces, kept, facts = {}, {}, {}
    # As the answer says, not the disk: Snakemake runs this again when the answer changes.
    with_inception = "inception" in files.inputs and read_json(files.inputs["inception"])
    names = [n for n in metrics.features if n != "inception" or with_inception["available"]]
    for extractor in extractors(settings, names, files.inputs.get("classifier"), device):
        numbers = stream(settings.seed, "floor kid", dataset, extractor.name)
        features = extractor.features(against[chosen])
        kept[extractor.name] = features
        values = distances.between(extractor, extractor.features(apart[floor]), features, numbers)
        spaces[extractor.name] = {
            "protocol": f"{extractor.protocol}; {len(chosen)} {metrics.against} images",
            "weights": extractor.digest,
            "floors": values,
        }
        if extractor.name == "classifier":
            images, labels = load(folder, "test")
            right = extractor.probabilities(images).argmax(1) == labels
            facts["classifier_accuracy"] = float(right.mean())
    with atomic(files.outputs["arrays"]) as temporary:
        np.savez(temporary, **kept)
    write_json(files.outputs["reference"], {"spaces": spaces, "facts": facts})


class Instrument:
    """Measures the sets of samples of one cell."""

    def __init__(self, settings: EvaluateStage, unit, files):
        self._settings, self._dataset, self._files = settings, unit["dataset"], files
        self._known = read_json(files.inputs["reference"])["spaces"]
        device, weights = set_up(settings.compute), files.inputs.get("classifier")
        self._spaces = extractors(settings, list(self._known), weights, device)
        metrics = settings.metrics
        self._distances = Distances(metrics.kid_subsets, metrics.kid_subset_size)

    def measure(self, source: Path, of: tuple[int, int]) -> tuple[list[Measured], dict]:
        """The metrics of a set of samples `of` (seed, sample), and how the classifier reads it."""
        points, rows, facts = read_npy(source, mapped=True), [], {}
        parts = self._parts(source)
        images = None if parts else as_images(points, DATASETS[self._dataset].shape)
        for extractor in self._spaces:
            name = extractor.name
            found = (
                embedding.load(parts, extractor) if parts else embedding.embed(extractor, images)
            )
            if len(found.features) != len(points):
                raise NsgfError(
                    f"'{parts[-1]}' and those before hold {len(found.features)} rows, not"
                    f" {len(points)}",
                    f"build them again: nsgf make {parts[-1]}",
                )
            numbers = stream(self._settings.seed, "kid", self._dataset, *of)
            known, test = self._known[name], read_npz(self._files.inputs["arrays"], name)
            values = self._distances.between(extractor, found.features, test, numbers)
            values |= score(extractor, found.probabilities)
            rows += measured(values, known["floors"], known["protocol"], len(points))
            if name == "classifier":
                facts = class_report(found.probabilities)
        return rows, facts

    def show(self, source: Path, target: Path) -> None:
        """The first samples beside their nearest training images, as .npz."""
        train, _ = load(image_folder(self._files), "train")
        points = read_npy(source, mapped=True)[: self._settings.metrics.neighbours]
        index = nearest(torch.from_numpy(points), torch.from_numpy(np.array(train))).numpy()
        images = as_images(points, DATASETS[self._dataset].shape)
        with atomic(target) as temporary:
            np.savez(temporary, samples=images, neighbours=train[index], index=index)

    def _parts(self, source: Path) -> list[Path]:
        """Features of this set that jobs have computed before."""
        shared = self._files.inputs.get("features", ())
        return [path for path in shared if path.name.startswith(f"{source.stem}.")]


def image_folder(files) -> Path:
    """Where the image set lies."""
    return next(p for p in files.inputs["data"] if p.name == "train_images.npy").parent


def _part(settings, dataset: str, purpose: str, size: int, count: int) -> np.ndarray:
    """Sorted indices of `count` of `size` images."""
    numbers = stream(settings.seed, purpose, dataset)
    return np.sort(numbers.permutation(size)[:count].numpy())


def extractors(
    settings: ReferenceStage, names: Sequence[str], weights: Path | None, device
) -> list[Extractor]:
    """The feature spaces `names`, in their order.

    Raises:
        NsgfError: the weights of one are missing or damaged.
    """
    options = {"inception": {"mode": settings.metrics.inception_mode}}
    if "classifier" in names:
        (net,) = load_network(weights, device).values()
        options["classifier"] = {"net": net, "digest": sha256_file(weights)}
    return [build(name, device, **options.get(name, {})) for name in names]

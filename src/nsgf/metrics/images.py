"""Image metrics of one set of samples against the test set, in every available feature space.

The reference of a feature space holds the test set's features and, as the floor, the same distances
for as many training images as there are samples. A number from Inception features is named fid
only with the checksummed weights; see `nsgf.metrics.extractor`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nsgf.metrics.extractor import Extractor
from nsgf.metrics.frechet import frechet_distance, inception_score, kernel_distance, moments
from nsgf.metrics.wasserstein import Measured
from nsgf.rng import Stream

CONFIDENT = 0.9  # a sample is read as a digit where the classifier gives some class more than this


@dataclass(frozen=True)
class Distances:
    """Settings of the two distances between feature sets."""

    subsets: int
    subset_size: int

    def between(
        self, extractor: Extractor, features: np.ndarray, test: np.ndarray, numbers: Stream
    ) -> dict[str, float]:
        """Frechet and kernel distance of features (n, d) to the test set's (m, d), by name."""
        kernel = kernel_distance(features, test, numbers, self.subsets, self.subset_size)
        return {
            extractor.metric("frechet"): frechet_distance(moments(features), moments(test)),
            extractor.metric("kernel"): kernel,
        }


def class_report(probabilities: np.ndarray) -> dict[str, float]:
    """How the classifier reads samples: share read with p > .9, share of the rarest class."""
    counts = np.bincount(probabilities.argmax(1), minlength=probabilities.shape[1])
    return {
        "confident_share": float((probabilities.max(1) > CONFIDENT).mean()),
        "rarest_class_share": float(counts.min() / len(probabilities)),
    }


def score(extractor: Extractor, probabilities: np.ndarray | None) -> dict[str, float]:
    """The Inception score; nothing from probabilities that are not Inception's."""
    if extractor.fid_name is None:
        return {}
    return {extractor.metric("score"): inception_score(probabilities)}


def measured(
    values: dict[str, float], floors: dict[str, float], protocol: str, n: int
) -> list[Measured]:
    """Pair each value with its floor; nan where there is none."""
    return [Measured(k, v, floors.get(k, float("nan")), protocol, n) for k, v in values.items()]


def nearest(samples: Tensor, images: Tensor, block: int = 4096) -> Tensor:
    """Index of the L2-nearest row of images (m, d) for each row of samples (n, d), (n,) int64.

    Works through `images` in blocks, so that a whole training set is never widened to float32.
    """
    from nsgf.data.arrays import to_unit

    best = torch.full((len(samples),), float("inf"))
    index = torch.zeros(len(samples), dtype=torch.int64)
    for first in range(0, len(images), block):
        rows = to_unit(images[first : first + block]).flatten(1)
        distance, place = torch.cdist(samples, rows).min(1)
        closer = distance < best
        best = torch.where(closer, distance, best)
        index = torch.where(closer, place + first, index)
    return index

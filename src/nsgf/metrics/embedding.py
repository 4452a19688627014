"""A set of images in one feature space, and such sets on disk: what all distances start from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nsgf.artifact import atomic, read_npz
from nsgf.metrics.extractor import Extractor


@dataclass(frozen=True)
class Embedding:
    """Images in one feature space.

    Attributes:
        features: (n, d) float32.
        probabilities: of classes, (n, k) float32; None where no number is made from them.
    """

    features: np.ndarray
    probabilities: np.ndarray | None


def embed(extractor: Extractor, images: np.ndarray) -> Embedding:
    """Images uint8 (n, c, h, w) in the extractor's space.

    A stretch of images that begins at a multiple of FEATURE_BATCH, and ends at one or with the set,
    has the rows that it has in the whole set, to the last bit: it fills the same batches.
    """
    classed = extractor.probabilities(images) if extractor.is_classed else None
    return Embedding(extractor.features(images), classed)


def save(path: Path, embeddings: Mapping[str, Embedding]) -> None:
    """Write embeddings of the same images, by the name of their space, as .npz."""
    arrays = {f"{name} features": e.features for name, e in embeddings.items()}
    arrays |= {
        f"{name} probabilities": e.probabilities
        for name, e in embeddings.items()
        if e.probabilities is not None
    }
    with atomic(path) as temporary:
        np.savez(temporary, **arrays)


def load(paths: Sequence[Path], extractor: Extractor) -> Embedding:
    """The extractor's space of consecutive stretches of images, together.

    Raises:
        NsgfError: a file is damaged, or lacks that space.
    """

    def joined(what: str) -> np.ndarray:
        return np.concatenate([read_npz(path, f"{extractor.name} {what}") for path in paths])

    classed = joined("probabilities") if extractor.is_classed else None
    return Embedding(joined("features"), classed)

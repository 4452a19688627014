"""Image sets: distances between features, and samples beside their nearest training images."""

from typing import Literal

from pydantic import Field

from nsgf.registry import DATASETS
from nsgf.shards import FEATURE_BATCH
from nsgf.studies.kind import Kind, Measures

SPLITS = 10  # of nsgf.metrics.frechet.inception_score


class Metrics(Measures):
    """What is measured on images, and against what."""

    n_test: int = Field(default=1024, ge=2)
    """Images of the split `against` that samples are compared with, count."""
    n_floor: int = Field(default=1000, ge=2)
    """Training images whose distance to that split is the floor, count; give the number of samples,
    because these distances depend on it."""
    features: tuple[Literal["inception", "effnet_lite0", "classifier"], ...] = ()
    """Feature spaces; inception is left out, and said to be, where its weights are not."""
    against: Literal["test", "train"] = "test"
    """Which split samples are compared with."""
    inception_mode: Literal["clean", "legacy_tensorflow"] = "clean"
    """clean-fid's resizing before Inception."""
    kid_subsets: int = Field(default=50, ge=2)
    """Subsets of the kernel distance, count."""
    kid_subset_size: int = Field(default=500, ge=2)
    """Samples of one subset, count."""
    neighbours: int = Field(default=10, ge=1)
    """Samples of the first set that are shown with their nearest training image, count."""

    @property
    def networks(self) -> tuple[str, ...]:
        """The classifier, where its features are asked for."""
        return ("classifier",) if "classifier" in self.features else ()

    @property
    def asks_for_inception(self) -> bool:
        """Whether numbers depend on the Inception weights being here."""
        return "inception" in self.features


def check(study) -> None:
    """Every data set is one of images, and jobs can share their features.

    Raises:
        ValueError: one is not, a network to measure with is not given, or jobs are too many.
    """
    others = [d for d in study.datasets if not DATASETS[d].is_image]
    if others:
        raise ValueError(f"data set '{others[0]}' has no images: write kind: planar")
    for name in study.metrics.networks:
        if name not in study.networks:
            raise ValueError(f"metrics.features has '{name}': give networks.{name} too")
    if study.metrics.asks_for_inception and study.sampling.n_samples < SPLITS:
        raise ValueError(
            f"sampling.n_samples: {study.sampling.n_samples} samples, but the Inception score is a"
            f" mean over {SPLITS} parts of them"
        )
    most = -(-study.sampling.n_samples // FEATURE_BATCH)
    if study.shards.features > most:
        raise ValueError(
            f"shards.features: {study.shards.features} jobs, but {most} batches of {FEATURE_BATCH}"
        )


KIND = Kind(
    Metrics,
    measure="nsgf.studies.images.measure",
    arrays=True,
    neighbours=True,
    notes="nsgf.studies.images.notes",
    claims="nsgf.studies.images.claims",
    evidence="nsgf.studies.images.evidence",
    check=check,
)

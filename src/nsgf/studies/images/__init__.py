"""Image sets: distances between features, and samples beside their nearest training images."""

from typing import Annotated, Literal

from pydantic import Field

from nsgf.config.base import NO_TWICE
from nsgf.registry import DATASETS
from nsgf.shards import FEATURE_BATCH
from nsgf.studies.kind import Kind, Measures

SPLITS = 10  # parts of an Inception score (nsgf.metrics.frechet), each of a sample or more


class Metrics(Measures):
    """What is measured on images, and against what."""

    n_test: int = Field(default=1024, ge=2)
    """Images of the split `against` that samples are compared with, count."""
    n_floor: int = Field(default=1000, ge=2)
    """Training images whose distance to that split is the floor, count; give the number of samples,
    because these distances depend on it."""
    features: Annotated[
        tuple[Literal["inception", "effnet_lite0", "classifier"], ...], NO_TWICE
    ] = ()
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
        ValueError: one is not, a network to measure with is not given, samples are too few for a
            metric, or jobs are too many.
    """
    others = [d for d in study.datasets if not DATASETS[d].is_image]
    if others:
        raise ValueError(f"data set '{others[0]}' has no images: write kind: planar")
    for name in study.metrics.networks:
        if name not in study.networks:
            raise ValueError(f"metrics.features has '{name}': give networks.{name} too")
    from nsgf.config.cells import cells  # it reads the registry, which reads this module

    for cell in cells(study):
        _check_counts(study.metrics, cell.sampling.n_samples)
    most = -(-study.sampling.n_samples // FEATURE_BATCH)
    if study.shards.features > most:
        raise ValueError(
            f"shards.features: {study.shards.features} jobs, but {most} batches of {FEATURE_BATCH}"
        )


def _check_counts(metrics: Metrics, n: int) -> None:
    """Whether sets of `n` samples can be measured so."""
    least = {
        "metrics.neighbours": metrics.neighbours,
        "metrics.kid_subset_size": metrics.kid_subset_size if metrics.features else 0,
        "an Inception score (metrics.features)": SPLITS if metrics.asks_for_inception else 0,
    }
    for key, count in least.items():
        if count > n:
            raise ValueError(f"sampling.n_samples: {n} are too few for {key}, which takes {count}")
    for key in ("n_test", "n_floor") if metrics.features else ():
        if metrics.kid_subset_size > getattr(metrics, key):
            raise ValueError(
                f"metrics.kid_subset_size: {metrics.kid_subset_size} samples of a subset, but"
                f" metrics.{key} is {getattr(metrics, key)}"
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

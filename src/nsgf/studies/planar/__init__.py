"""Laws that can be sampled, in the plane or another space: exact W2 and its floor."""

from pydantic import Field

from nsgf.registry import DATASETS
from nsgf.studies.kind import Kind, Measures


class Metrics(Measures):
    """What is measured on clouds of points."""

    n_test: int = Field(default=1024, ge=2)
    """Test samples, count."""
    floor_draws: int = Field(default=5, ge=1)
    """Fresh i.i.d. draws over which the same-distribution floor is averaged, count."""
    geomloss_samples: int = Field(default=1, ge=0)
    """Sampling seeds of each training that get GeomLoss's number too (it takes seconds), count."""
    blocks: int = Field(default=1, ge=1)
    """Parts of a set of samples, of n_test each, over which W2 is averaged, count."""
    directions: int = Field(default=0, ge=0)
    """Directions of the debiased sliced distance of whole sets, count; 0: it is not measured."""

    def names(self, sample: int) -> tuple[str, ...]:
        """The metrics of parts of sampling seed `sample`."""
        return ("w2", "w2_squared") + (("geomloss",) if sample < self.geomloss_samples else ())


def check(study) -> None:
    """Points are vectors, and have no features of images.

    Raises:
        ValueError: they are images, or features are to be shared by jobs.
    """
    from nsgf.config.cells import cells  # which reads the registry that names this module

    images = [d for d in study.datasets if DATASETS[d].is_image]
    if images:
        raise ValueError(f"data set '{images[0]}' has images: write kind: images")
    if study.shards.features > 1:
        raise ValueError("shards.features is for images; other data sets have no features")
    metrics = study.metrics
    for n in {cell.sampling.n_samples for cell in cells(study)}:
        if metrics.blocks > 1 and n < metrics.blocks * metrics.n_test:
            raise ValueError(
                f"metrics.blocks: {metrics.blocks} parts of {metrics.n_test}, but"
                f" sampling.n_samples is {n}"
            )
        if metrics.directions and n % 2:
            raise ValueError(f"metrics.directions: sampling.n_samples is {n}, which has no halves")
    if metrics.directions and any(DATASETS[d].cloud for d in study.datasets):
        raise ValueError("metrics.directions is for laws that can be drawn from: a cloud is short")
    if metrics.directions and any(DATASETS[d].shape != (2,) for d in study.datasets):
        raise ValueError("metrics.directions is for points in the plane")
    for name, cloud in ((d, DATASETS[d].cloud) for d in study.datasets):
        if cloud and study.metrics.n_test > min(cloud.train, cloud.test):
            raise ValueError(
                f"metrics.n_test: {study.metrics.n_test} test points, but '{name}' has"
                f" {cloud.test} that are held out and {cloud.train} others"
            )


KIND = Kind(
    Metrics,
    measure="nsgf.studies.planar.measure",
    by_set=True,
    notes="nsgf.studies.planar.notes",
    print="nsgf.report.convention",
    claims="nsgf.studies.planar.claims",
    evidence="nsgf.studies.planar.evidence",
    check=check,
)

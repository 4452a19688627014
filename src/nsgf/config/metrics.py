"""Settings of the metrics and of the verdicts."""

from typing import Literal

from pydantic import Field

from nsgf.config.base import Model
from nsgf.config.compute import Compute

FEATURE_BATCH = 128  # images that enter a feature extractor together: part of a feature's last bits


class Metrics(Model):
    """What is measured on samples, and against what."""

    n_test: int = Field(default=1024, ge=2)
    """Test samples, or for images how many of the split `against`, count."""
    floor_draws: int = Field(default=5, ge=1)
    """2-D: fresh i.i.d. draws over which the same-distribution floor is averaged, count."""
    geomloss_samples: int = Field(default=1, ge=0)
    """2-D: sampling seeds of each training that get the GeomLoss number too (it takes seconds),
    count."""
    n_floor: int = Field(default=1000, ge=2)
    """Images: training images whose distance to that split is the floor, count; give the number
    of samples, because these distances depend on it."""
    features: tuple[Literal["inception", "effnet_lite0", "classifier"], ...] = ()
    """Images: feature spaces; inception is left out, and said to be, where its weights are not."""
    against: Literal["test", "train"] = "test"
    """Images: which split samples are compared with."""
    inception_mode: Literal["clean", "legacy_tensorflow"] = "clean"
    """Images: clean-fid's resizing before Inception."""
    kid_subsets: int = Field(default=50, ge=2)
    """Images: subsets of the kernel distance, count."""
    kid_subset_size: int = Field(default=500, ge=2)
    """Images: samples of one subset, count."""
    neighbours: int = Field(default=10, ge=1)
    """Images: samples of each seed shown with their nearest training image, count."""

    def planar_metrics(self, sample: int) -> tuple[str, ...]:
        """The 2-D metrics of sampling seed `sample`."""
        return ("w2", "w2_squared") + (("geomloss",) if sample < self.geomloss_samples else ())


class EvaluateStage(Model):
    """All that `nsgf evaluate` reads."""

    seed: int
    metrics: Metrics
    compute: Compute


class Judging(Model):
    """How intervals are formed."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Two-sided coverage of the Student-t interval, fraction in (0.5, 1)."""

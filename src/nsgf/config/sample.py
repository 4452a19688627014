"""Settings of sampling, and how many jobs share a set of samples."""

from typing import Literal

from pydantic import Field

from nsgf.config.base import Model
from nsgf.config.compute import Compute
from nsgf.config.pool import Flow


class Sampling(Model):
    """How samples are drawn from trained networks."""

    n_samples: int = Field(default=1024, ge=2)
    """Samples of one sampling seed, count."""
    solver: Literal["euler", "rk4", "dopri5"] = "euler"
    """ODE solver of the straight leg and of flow-matching methods; dopri5 is adaptive."""
    tolerance: float = Field(default=1e-5, gt=0)
    """Relative and absolute tolerance of dopri5, data units."""
    omega: float = Field(default=0.02, gt=0, le=1)
    """NSGF++: longest step of the straight leg, units of interpolation time."""
    batch_size: int = Field(default=1024, ge=1)
    """Samples integrated at a time, count."""
    path_samples: int = Field(default=256, ge=1)
    """Samples whose whole path is kept for figures, count."""


class Shards(Model):
    """Jobs that share one set of samples; no byte of a set or of its metrics depends on them."""

    sample: int = Field(default=1, ge=1)
    """Jobs that draw one set, each some batches of it, count."""
    features: int = Field(default=1, ge=1)
    """Images: jobs that compute the features of one set, count; with 1 `evaluate` does it."""


class SampleStage(Model):
    """All that decides a set of samples, or a part of one."""

    seed: int
    method: str
    nfe: int | None
    """Network evaluations a sample, count; null: what the two-phase method needs."""
    flow: Flow | None
    """The flow that the velocity network was trained on; null for methods without one."""
    sampling: Sampling
    compute: Compute
    shards: int = 1
    """Jobs that share a set; each draws a part of it, count."""

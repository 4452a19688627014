"""Settings of the Sinkhorn flow and of the trajectory pool."""

from typing import Literal

from pydantic import Field

from nsgf.config.base import Model
from nsgf.config.compute import Compute


class Flow(Model):
    """The Sinkhorn-divergence flow: cost |x - y|^2 / 2, eps = blur^2."""

    steps: int = Field(ge=1, le=1000)
    """Euler steps T of a trajectory, count."""
    step_size: float = Field(gt=0, le=1)
    """Step eta, in units of flow time; 1 jumps to the barycentric projection."""
    blur: float = Field(gt=0)
    """Square root of the entropic regularisation, data units."""
    backend: Literal["geomloss"] = "geomloss"
    """Which solver computes the potentials."""
    scaling: float = Field(default=0.95, gt=0, lt=1)
    """GeomLoss's ratio between successive blurs of its annealing, fraction in (0, 1)."""


class Pool(Model):
    """How many minibatch trajectories are stored, and in how many files."""

    batch_size: int = Field(default=256, ge=2)
    """Particles n of one minibatch problem, count."""
    batches: int = Field(ge=1)
    """Minibatch trajectories, count."""
    shards: int = Field(default=1, ge=1)
    """Parts that separate jobs can build; the content does not depend on it."""


class PoolStage(Model):
    """All that `nsgf build-pool` reads."""

    seed: int
    flow: Flow
    pool: Pool
    compute: Compute

"""Settings of the Sinkhorn flow, of the trajectory pool and of errors of training targets."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nsgf.config.base import NO_TWICE, Model
from nsgf.config.compute import Compute

FEWEST = 8  # minibatches that a query of a probe is drawn into
SOLVERS = ("geomloss", "newton")  # whose targets are held against exact velocities


class Flow(Model):
    """The Sinkhorn-divergence flow: cost |x - y|^2 / 2, eps = blur^2."""

    steps: int = Field(ge=1, le=1000)
    """Euler steps T of a trajectory, count."""
    step_size: Literal["arriving"] | Annotated[float, Field(gt=0, le=1)]
    """Step eta, in units of flow time; 1 jumps to the barycentric projection. arriving: step k of T
    takes 1 / (T - k), so that the last one jumps; a network learns T times each step."""
    blur: float = Field(gt=0)
    """Square root of the entropic regularisation, data units."""
    last_blur: float | None = Field(default=None, gt=0)
    """Blur of the last step, to which it goes geometrically from step to step; null: it stays."""
    self_term: Literal["same", "masked", "second"] = "same"
    """What repels particles in v = T_xy - T_xx: same, the others of the minibatch and each itself;
    masked, the others alone; second, particles of a second minibatch that flows beside it."""
    backend: Literal["newton", "geomloss", "exact"] = "newton"
    """Which solver computes the velocities: newton, ours, converges to tol; exact solves without
    regularisation, as if blur were 0."""
    tol: float = Field(default=1e-3, gt=0, le=1)
    """Relative error that newton may leave in a velocity; where it cannot, the run stops."""
    scaling: float = Field(default=0.95, gt=0, lt=1)
    """GeomLoss's ratio between successive blurs of its annealing, fraction in (0, 1); newton
    ignores it."""

    @property
    def sizes(self) -> tuple[float, ...]:
        """eta of every step."""
        if self.step_size == "arriving":
            return tuple(1 / (self.steps - k) for k in range(self.steps))
        return (self.step_size,) * self.steps

    @property
    def blurs(self) -> tuple[float, ...]:
        """Blur of every step."""
        ratio = (self.last_blur or self.blur) / self.blur
        return tuple(self.blur * ratio ** (k / max(self.steps - 1, 1)) for k in range(self.steps))

    @property
    def is_plain(self) -> bool:
        """Whether it has one blur and the paper's self term, as inner products can follow it."""
        return self.last_blur is None and self.self_term == "same"

    @property
    def stride(self) -> float:
        """What a learnt velocity is multiplied by in a step."""
        return 1 / self.steps if self.step_size == "arriving" else self.step_size


class Pool(Model):
    """How many minibatch trajectories there are, and in which form."""

    batch_size: int = Field(default=256, ge=2, le=32768)
    """Particles n of one minibatch problem, count."""
    batches: int = Field(ge=1)
    """Minibatch trajectories, count; a streaming pool has as many as training consumes."""
    shards: int = Field(default=1, ge=1)
    """Parts that separate jobs can build; the content does not depend on it."""
    storage: Literal["points", "coefficients", "streaming"] = "points"
    """points: states and velocities on disk. coefficients: what combines a minibatch's noise and
    training images to them, for image sets. streaming: nothing on disk, flows are made as training
    consumes them."""
    dtype: Literal["float32", "float16"] = "float32"
    """Of what is stored; the error that it causes is in the shard's provenance."""
    drop: float = Field(default=1e-7, ge=0, lt=1e-2)
    """Coefficients smaller than this are not stored, fraction of a particle's mass."""
    window: int = Field(default=64, ge=1)
    """Minibatches that a streaming pool holds, count."""
    renew_every: int = Field(default=10, ge=1)
    """Training steps after which a streaming pool replaces its oldest minibatch, count."""


class Targets(Model):
    """What is measured along the study's flow, whose own solver plays no part."""

    problems: int = Field(default=8, ge=1)
    """Minibatch problems, count; intervals are over them."""
    scalings: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], NO_TWICE] = Field(
        default=(0.80, 0.85, 0.95), min_length=1
    )
    """GeomLoss's scalings that are measured, fractions in (0, 1); the paper names these three."""


Counts = Annotated[tuple[Annotated[int, Field(ge=1)], ...], NO_TWICE]


class Probe(Model):
    """How far velocities are off that are made from a minibatch, or by few Sinkhorn sweeps."""

    population: int = Field(default=8192, ge=2)
    """Particles, and targets, whose exact flow minibatches are drawn from, count."""
    populations: int = Field(default=4, ge=1)
    """Of them, count; intervals are over them."""
    queries: int = Field(default=8, ge=1)
    """Particles of each whose velocity is looked at, count."""
    sizes: Counts = (64, 256, 1024, 4096)
    """Minibatch sizes n, counts."""
    steps: Annotated[tuple[Annotated[int, Field(ge=0)], ...], NO_TWICE] = (0, 3)
    """Steps of the study's flow before which it is looked at."""
    work: int = Field(default=32768, ge=2)
    """Particles of all minibatches that a query is drawn into, count; eight minibatches or more."""
    sweeps: Counts = (1, 10, 20, 30)
    """Plain Sinkhorn sweeps, counts."""
    blurs: Annotated[tuple[Annotated[float, Field(gt=0)], ...], NO_TWICE] = (0.07, 0.16, 0.22)
    """Blurs at which they are tried, data units."""
    problems: int = Field(default=8, ge=1)
    """Minibatch problems of sweeps, count; intervals are over them."""

    def draws(self, n: int) -> int:
        """Minibatches of n that each query is drawn into, count."""
        return max(FEWEST, self.work // n)


class Trajectories(Model):
    """One flow and the pool made with it."""

    flow: Flow
    pool: Pool

    @model_validator(mode="after")
    def _has_plans(self):
        if self.pool.storage == "coefficients" and self.flow.backend != "newton":
            raise ValueError(
                f"pool.storage coefficients needs flow.backend newton, not '{self.flow.backend}':"
                " other solvers do not give their plan"
            )
        if self.pool.storage == "coefficients" and not self.flow.is_plain:
            raise ValueError(
                "pool.storage coefficients needs one blur and flow.self_term same: take points"
            )
        if self.flow.self_term == "masked" and self.flow.backend != "newton":
            raise ValueError(
                f"flow.self_term masked needs flow.backend newton, not '{self.flow.backend}'"
            )
        return self

    def equals_but_for_solver(self, other: "Trajectories") -> bool:
        """Whether both hold the same problems and steps, whatever computed their velocities."""
        aside = {"flow": {"backend", "scaling", "tol"}, "pool": {"shards"}}
        return self.model_dump(exclude=aside) == other.model_dump(exclude=aside)


class PoolStage(Trajectories):
    """All that decides a pool."""

    seed: int
    compute: Compute

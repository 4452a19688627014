"""What a measurement is given, and how verdicts form their intervals."""

from pydantic import Field, SerializeAsAny

from nsgf.config.base import Model
from nsgf.config.compute import Compute


class ReferenceStage(Model):
    """All that decides what samples are compared with."""

    seed: int
    kind: str
    metrics: SerializeAsAny[Model]
    """Settings of that kind."""
    sets: tuple[tuple[int, int], ...] = ()
    """Training and sampling seeds that have a reference of their own; none where one serves all."""
    compute: Compute


class EvaluateStage(ReferenceStage):
    """All that decides the metrics of a cell."""

    method: str
    parameters: dict
    """JSON value of the settings that samples were drawn with."""


class Judging(Model):
    """How intervals are formed."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Two-sided coverage of the Student-t interval, fraction in (0.5, 1)."""

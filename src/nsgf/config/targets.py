"""Settings of the question how far training targets are from exact velocities."""

from typing import Annotated

from pydantic import Field

from nsgf.config.base import Model

SOLVERS = ("geomloss", "newton")  # what is held against exact velocities


class Targets(Model):
    """What is measured along the study's flow, whose own solver plays no part."""

    problems: int = Field(default=8, ge=1)
    """Minibatch problems, count; intervals are over them."""
    scalings: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        default=(0.80, 0.85, 0.95), min_length=1
    )
    """GeomLoss's scalings that are measured, fractions in (0, 1); the paper names these three."""

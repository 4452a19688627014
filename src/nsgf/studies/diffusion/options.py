"""Settings of the schemes of this kind, as `options:` of a network holds them."""

from typing import Literal

from pydantic import Field

from nsgf.config.base import Model


class Kept(Model):
    """What is kept on the way; the iterations of a training are updates, or steps of time."""

    keep_every: int = Field(default=10, ge=1)
    """Steps of time between two states that are kept; the last one is kept in any case."""


class Sliced(Kept):
    """SW-JKO (arXiv:2110.10972): iterations are steps times `inner`."""

    tau: float = Field(default=0.1, gt=0)
    """Step size, units of time of the sliced flow."""
    inner: int = Field(default=200, ge=1)
    """Updates a step, count."""
    directions: int = Field(default=1000, ge=1)
    """Directions an update, count."""
    kind: Literal["random", "orthogonal", "quasi-random"] = "random"
    """Of directions; the paper's are random."""
    noise: Literal["common", "independent"] = "independent"
    """Of the two measures that an update compares; independent is how we read the paper."""


class Convex(Model):
    """JKO-ICNN (Mokrov et al. 2021): iterations are steps times `inner`; all maps are kept."""

    tau: float = Field(default=0.1, gt=0)
    """Step size, units of time."""
    inner: int = Field(default=200, ge=1)
    """Updates a step, count."""


class Langevin(Kept):
    """Euler-Maruyama; iterations are steps, the batch is all particles."""

    step: float = Field(default=1e-3, gt=0)
    """dt, units of time."""

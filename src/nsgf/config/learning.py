"""Settings that a learner has of its own, as `options:` of a network holds them."""

from pydantic import Field

from nsgf.config.base import Model


class Reflow(Model):
    """Pairs that a trained flow makes (Liu et al. 2023)."""

    pairs: int = Field(default=50_000, ge=1)
    """Pairs, count; the authors' 2-D code has as many."""
    steps: int = Field(default=100, ge=1)
    """Euler steps from source to end point, count."""


class Moves(Model):
    """A sequence of moves, each learnt on particles that the moves before it have taken along."""

    steps: int = Field(default=10, ge=1, le=1000)
    """Moves, count: network evaluations a sample."""
    particles: int = Field(default=50_000, ge=2)
    """Points that are taken along, count."""


class DensityRatio(Moves):
    """EPT (Gao et al. 2022) without outer loop."""

    penalty: float = Field(default=0.5, ge=0)
    """Weight of the ratio's squared gradient at target points; 0.5 in the authors' 2-D code."""


class JKO(Moves):
    """Wasserstein gradient flow by variational JKO steps (Fan et al. 2022)."""

    proximal_step: float = Field(default=1.0, gt=0)
    """a of |x - T(x)|^2 / (2 a), squared data units."""
    potential_updates: int = Field(default=3, ge=1)
    """Updates of the dual potential in a round, count; the authors' 2-D code has as many."""
    map_updates: int = Field(default=2, ge=1)
    """Updates of the map in a round, count; likewise."""
    width: int = Field(default=256, ge=1)
    """Units of a hidden layer of the potential, count."""
    depth: int = Field(default=3, ge=1)
    """Hidden layers of the potential, count."""

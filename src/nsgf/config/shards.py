"""How many jobs share one set of samples."""

from pydantic import Field

from nsgf.config.base import Model


class Shards(Model):
    """Jobs that share one set of samples; no byte of a set or of its metrics depends on them."""

    sample: int = Field(default=1, ge=1)
    """Jobs that draw one set, each some batches of it, count."""
    features: int = Field(default=1, ge=1)
    """Images: jobs that compute the features of one set, count; with 1 `evaluate` does it."""

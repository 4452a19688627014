"""Settings of the networks and of the one training loop."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, WithJsonSchema, model_validator

from nsgf.config.base import Idle, Model, part
from nsgf.config.compute import Compute
from nsgf.config.net import NetModel
from nsgf.config.pool import PoolStage
from nsgf.registry import ANY, NETS, NETWORKS, module_of


def _of_its_kind(value: object) -> object:
    """Read a network's settings as the class that its kind's module has."""
    if not isinstance(value, dict):
        return value
    kinds = ", ".join(sorted(NETS))
    kind = value.get("kind")
    if kind not in NETS:
        raise ValueError(f"a network's kind is one of {kinds}, not {kind!r}")
    return part(value, module_of(NETS[kind]).Config)


Net = Annotated[
    SerializeAsAny[NetModel],
    BeforeValidator(_of_its_kind),
    WithJsonSchema(
        {"type": "object", "properties": {"kind": {"type": "string"}}, "required": ["kind"]}
    ),
]


class Training(Model):
    """One network's architecture and training; Adam (0.9, 0.999), no weight decay."""

    net: Net
    iterations: int = Field(ge=1)
    """Optimiser steps, count."""
    batch_size: int = Field(ge=1)
    """Samples a step, count."""
    lr: float = Field(gt=0, lt=1)
    """Adam's learning rate."""
    decay: Literal["none", "cosine"] = "none"
    """Learning-rate schedule after warm-up; the paper uses none."""
    warmup: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises linearly from 0; the paper uses none."""
    clip: float | None = Field(default=None, gt=0)
    """Largest gradient norm; null for none."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Decay of the averaged weights that are kept at the end; the paper uses none."""
    checkpoint_every: Annotated[int, Idle()] = Field(default=500, ge=1)
    """Steps between resume points, count."""
    options: dict[str, int | float | str] = Field(default_factory=dict)
    """Settings of the network's own learner, by the class that nsgf.registry names for it."""
    log_every: int = Field(default=50, ge=1)
    """Steps between two points of the learning curve, count."""

    @model_validator(mode="after")
    def _warm_up_ends(self):
        if self.warmup >= self.iterations:
            raise ValueError(
                f"warmup ({self.warmup} steps) does not end within iterations ({self.iterations})"
            )
        return self


def options_of(network: str, given: object) -> dict:
    """All settings of a network's own learner, from those that are given.

    Raises:
        ValueError: one is not possible, or the learner has none.
    """
    entry, section = NETWORKS[network], f"networks.{network}.options"
    if entry.options == ANY:
        return given
    if not entry.options and given:
        raise ValueError(f"{section}: '{network}' has no options")
    if not entry.options:
        return {}
    module, _, name = entry.options.rpartition(".")
    return part(given, getattr(module_of(module), name), section).model_dump()


class TrainStage(Model):
    """All that a training is given."""

    seed: int
    network: str
    training: Training
    compute: Compute
    streaming: PoolStage | None = None
    """The pool that training makes as it goes; null where it reads one or needs none."""

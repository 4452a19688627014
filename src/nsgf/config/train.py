"""Settings of the networks and of the one training loop."""

import functools
import operator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from nsgf.config.base import Idle, Model
from nsgf.config.compute import Compute
from nsgf.config.pool import PoolStage


class NetModel(Model):
    """What every network's configuration says beside its settings.

    Attributes:
        ROLE: what it computes: a `field` v(x, t), a `time` t(x), or `classes` of x.
    """

    ROLE: ClassVar[str] = "field"

    def check(self, shape: tuple[int, ...]) -> None:
        """Whether it can read points of `shape`.

        Raises:
            ValueError: it cannot; the message says why.
        """
        if len(shape) != 3:
            raise ValueError(f"a '{self.kind}' cannot read points of shape {shape}")


class MLPNet(NetModel):
    """Multi-layer perceptron on (x, t)."""

    kind: Literal["mlp"] = "mlp"
    width: int = Field(default=256, ge=1)
    """Units of a hidden layer, count."""
    depth: int = Field(default=3, ge=1)
    """Hidden layers, count."""
    activation: Literal["selu", "relu", "silu"] = "selu"
    """Between layers; torchcfm's 2-D networks use SELU."""

    def check(self, shape: tuple[int, ...]) -> None:
        """It reads points of any shape."""


class UNetNet(NetModel):
    """The UNet of Dhariwal and Nichol (2021), in torchcfm's implementation."""

    kind: Literal["unet"] = "unet"
    channels: int = Field(ge=8)
    """Channels of the first level, count."""
    depth: int = Field(default=1, ge=1)
    """Residual blocks a level, count."""
    multipliers: tuple[int, ...] = Field(min_length=1)
    """Channel multiplier of each level."""
    heads: int = Field(default=1, ge=1)
    """Attention heads, count."""
    head_channels: int = Field(default=-1, ge=-1)
    """Channels of an attention head; -1: take `heads` instead."""
    attention_downsampling: tuple[int, ...] = ()
    """Downsampling rates, after patchifying, at which attention is applied; torchcfm computes
    image_size // 16 from "attention at 16", so 1 on 28 x 28 and 2 on 32 x 32."""
    patch: int = Field(default=1, ge=1)
    """Side of the pixel block folded into channels before the first convolution, pixels."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Images whose side its patches and levels divide; widths that its parts divide."""
        super().check(shape)
        side = shape[-1]
        if side % self.patch:
            raise ValueError(f"patch {self.patch} does not divide side {side}")
        widths = [self.channels * m for m in self.multipliers]
        parts = self.heads if self.head_channels == -1 else self.head_channels
        attended = [w for i, w in enumerate(widths) if 2**i in self.attention_downsampling]
        if any(w % 32 for w in widths) or any(w % parts for w in [*attended, widths[-1]]):
            raise ValueError(
                f"widths {widths} must be multiples of 32 (group norm) and, where there is"
                f" attention, of {parts} (attention heads)"
            )
        levels = 2 ** (len(self.multipliers) - 1)
        if (side // self.patch) % levels:
            raise ValueError(
                f"{len(self.multipliers)} levels need a side divisible by {levels}, got"
                f" {side // self.patch} after patchifying"
            )


class PhaseNet(NetModel):
    """The phase-transition time predictor (NSGF++): convolutions, average pools, sigmoid."""

    ROLE = "time"
    kind: Literal["phase_cnn"] = "phase_cnn"
    channels: tuple[int, ...] = (32, 64, 128, 256)
    """Output channels of each convolution."""


class ClassifierNet(NetModel):
    """The small classifier whose features measure MNIST samples."""

    ROLE = "classes"
    kind: Literal["classifier"] = "classifier"
    classes: int = Field(default=10, ge=2)
    """Classes, count."""


Net = Annotated[
    functools.reduce(operator.or_, NetModel.__subclasses__()), Field(discriminator="kind")
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
    """Settings of the network's own objective or learner; its module says which there are."""
    log_every: int = Field(default=50, ge=1)
    """Steps between two points of the learning curve, count."""

    @model_validator(mode="after")
    def _warm_up_ends(self):
        if self.warmup >= self.iterations:
            raise ValueError(
                f"warmup ({self.warmup} steps) does not end within iterations ({self.iterations})"
            )
        return self


class TrainStage(Model):
    """All that a training is given."""

    seed: int
    network: str
    training: Training
    compute: Compute
    streaming: PoolStage | None = None
    """The pool that training makes as it goes; null where it reads one or needs none."""

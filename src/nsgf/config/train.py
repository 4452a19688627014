"""Settings of the networks and of the one training loop."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nsgf.config.base import Model
from nsgf.config.compute import Compute
from nsgf.config.pool import PoolStage


class MLPNet(Model):
    """Multi-layer perceptron on (x, t)."""

    kind: Literal["mlp"] = "mlp"
    width: int = Field(default=256, ge=1)
    """Units of a hidden layer, count."""
    depth: int = Field(default=3, ge=1)
    """Hidden layers, count."""
    activation: Literal["selu", "relu", "silu"] = "selu"
    """Between layers; torchcfm's 2-D networks use SELU."""


class UNetNet(Model):
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


class PhaseNet(Model):
    """The phase-transition time predictor (NSGF++): convolutions, average pools, sigmoid."""

    kind: Literal["phase_cnn"] = "phase_cnn"
    channels: tuple[int, ...] = (32, 64, 128, 256)
    """Output channels of each convolution."""


class ClassifierNet(Model):
    """The small classifier whose features measure MNIST samples."""

    kind: Literal["classifier"] = "classifier"
    classes: int = Field(default=10, ge=2)
    """Classes, count."""


Net = Annotated[MLPNet | UNetNet | PhaseNet | ClassifierNet, Field(discriminator="kind")]


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
    checkpoint_every: int = Field(default=500, ge=1)
    """Steps between resume points, count."""
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
    """All that `nsgf train` reads."""

    streaming: PoolStage | None = None
    """The pool that training makes as it goes; null where it reads one or needs none."""

    seed: int
    network: str
    training: Training
    compute: Compute

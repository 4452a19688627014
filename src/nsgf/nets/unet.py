"""The UNet of Dhariwal and Nichol on flat images, in torchcfm's implementation.

`patch` folds p x p pixels into channels before the first convolution and unfolds them at the end:
p^2 times fewer positions, which is what lets a CPU train it. The paper's networks have patch 1.
"""

from typing import Annotated, Literal

from pydantic import Field

from nsgf.config.base import NO_TWICE
from nsgf.config.net import NetModel


class Config(NetModel):
    """The UNet of Dhariwal and Nichol (2021), in torchcfm's implementation."""

    kind: Literal["unet"] = "unet"
    channels: int = Field(ge=8)
    """Channels of the first level, count."""
    depth: int = Field(default=1, ge=1)
    """Residual blocks a level, count."""
    multipliers: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    """Channel multiplier of each level."""
    heads: int = Field(default=1, ge=1)
    """Attention heads, count."""
    head_channels: int = Field(default=-1, ge=-1)
    """Channels of an attention head; -1: take `heads` instead."""
    attention_downsampling: Annotated[tuple[int, ...], NO_TWICE] = ()
    """Downsampling rates, after patchifying, at which attention is applied; torchcfm computes
    image_size // 16 from "attention at 16", so 1 on 28 x 28 and 2 on 32 x 32."""
    patch: int = Field(default=1, ge=1)
    """Side of the pixel block folded into channels before the first convolution, pixels."""

    def check(self, shape: tuple[int, ...]) -> None:
        """Images whose side its patches and levels divide; widths that its parts divide."""
        super().check(shape)
        widths = [self.channels * m for m in self.multipliers]
        rates = [2**level for level in range(len(widths))]
        for side in shape[1:]:
            if side % self.patch:
                raise ValueError(f"patch {self.patch} does not divide side {side}")
            if (side // self.patch) % rates[-1]:
                raise ValueError(
                    f"{len(widths)} levels (multipliers) need a side divisible by {rates[-1]}, got"
                    f" {side // self.patch} after patchifying (patch {self.patch})"
                )
        at = self.attention_downsampling
        if other := [r for r in at if r not in rates]:
            raise ValueError(f"attention_downsampling: no level is at {other[0]}, only at {rates}")
        if any(w % 32 for w in widths):
            raise ValueError(f"channels x multipliers {widths} must be multiples of 32, for norms")
        if not self.head_channels:
            raise ValueError("head_channels is -1 or a count of 1 or more, not 0")
        name = "heads" if self.head_channels == -1 else "head_channels"
        attended = [w for w, r in zip(widths, rates, strict=True) if r in at]
        for width in (*attended, widths[-1]):  # after the last level there is attention in any case
            if width % getattr(self, name):
                raise ValueError(
                    f"{name} {getattr(self, name)} does not divide width {width}, which has"
                    " attention heads"
                )


def build(config: Config, shape: tuple[int, int, int]):
    """v(x, t): x (n, c * h * w) and t (n,) to (n, c * h * w)."""
    import torch.nn.functional as F
    from torch import Tensor, nn
    from torchcfm.models.unet.unet import UNetModel

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            channels = shape[0] * config.patch**2
            self.body = UNetModel(
                image_size=shape[-1] // config.patch,
                in_channels=channels,
                out_channels=channels,
                model_channels=config.channels,
                num_res_blocks=config.depth,
                channel_mult=config.multipliers,
                attention_resolutions=config.attention_downsampling,
                num_heads=config.heads,
                num_head_channels=config.head_channels,
            )

        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            images = F.pixel_unshuffle(x.unflatten(1, shape), config.patch)
            return F.pixel_shuffle(self.body(t, images), config.patch).flatten(1)

    return Net()

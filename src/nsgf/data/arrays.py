"""Image sets on disk: a folder with a .npy for each of `nsgf.registry.ARRAYS`, memory-mapped.

Images are uint8 (n, c, h, w), labels uint8 (n,). Apart from fetching, so that a stage that only
reads images does not depend on the code that downloads them.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nsgf.errors import NsgfError

if TYPE_CHECKING:
    from torch import Tensor


def load(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a fetched data set, memory-mapped and read-only.

    Args:
        folder: what `fetch` wrote to.
        split: "train" or "test".

    Returns:
        tuple: images uint8 (n, c, h, w), labels uint8 (n,).

    Raises:
        NsgfError: a file is missing, damaged, or of another shape or type.
    """
    if split not in ("train", "test"):
        raise NsgfError(f"unknown split '{split}'", "use 'train' or 'test'")
    images = _open(Path(folder) / f"{split}_images.npy", "(n, c, h, w)")
    labels = _open(Path(folder) / f"{split}_labels.npy", "(n,)")
    if len(images) != len(labels):
        what = f"'{folder}' holds {len(images)} {split} images but {len(labels)} labels"
        raise NsgfError(what, "remove the folder and fetch the data set again")
    return images, labels


def to_unit(images: "np.ndarray | Tensor") -> "Tensor":
    """Grey levels 0 ... 255 (uint8, any shape) as float32 in [-1, 1]: x / 127.5 - 1."""
    import torch

    if images.dtype not in (np.uint8, torch.uint8):
        raise NsgfError(f"to_unit needs images of type uint8, got {images.dtype}", "do not scale")
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(images.astype(np.float32))  # a copy: memory maps are read-only
    return images.float() / 127.5 - 1


def to_uint8(x: "Tensor") -> "Tensor":
    """Samples in [-1, 1] as grey levels, uint8: (127.5 x + 128) cut to 0 ... 255 (torchcfm)."""
    import torch

    return (x * 127.5 + 128).clip(0, 255).to(torch.uint8)


def as_images(points: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Flat samples in [-1, 1], float32 (n, d), as grey levels, uint8 (n, c, h, w)."""
    import torch

    return to_uint8(torch.from_numpy(np.ascontiguousarray(points)).unflatten(1, shape)).numpy()


def _open(path: Path, form: str) -> np.ndarray:
    mend = "fetch the data set again"
    if not path.exists():
        raise NsgfError(f"'{path}' is missing", mend)
    try:
        array = np.lib.format.open_memmap(path, "r")
    except (OSError, ValueError, EOFError) as error:
        raise NsgfError(f"'{path}' is damaged: {error}", mend) from error
    if array.dtype != np.uint8 or array.ndim != len(form.split(", ")):
        raise NsgfError(f"'{path}' holds {array.dtype} {array.shape}, not uint8 {form}", mend)
    return array

"""A small image set in the form that stages read, for tests that need images but no download."""

from pathlib import Path

import numpy as np


def image_set(data: Path, name: str, shape: tuple[int, int, int], n: int = 64) -> Path:
    """Write `n` smooth random images and labels to data/name; returns `data`."""
    numbers = np.random.default_rng(0)
    c, h, w = shape
    coarse = numbers.integers(0, 256, (n, c, -(-h // 4), -(-w // 4)), dtype=np.uint8)
    images = coarse.repeat(4, axis=2).repeat(4, axis=3)[:, :, :h, :w]
    (data / name).mkdir(parents=True)
    for split in ("train", "test"):
        np.save(data / name / f"{split}_images.npy", images)
        np.save(data / name / f"{split}_labels.npy", (np.arange(n) % 10).astype(np.uint8))
    return data

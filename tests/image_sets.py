"""A small image set in the form that stages read, for tests that need images but no download."""

from pathlib import Path

import numpy as np

from nsgf.artifact import sha256_file, sidecar, write_json


def image_set(
    data: Path, name: str, shape: tuple[int, int, int], n: int = 64, provenance: bool = False
) -> Path:
    """Write `n` smooth random images and labels to data/name; returns `data`.

    With `provenance` as fetching leaves it, where jobs ask for it.
    """
    numbers = np.random.default_rng(0)
    c, h, w = shape
    coarse = numbers.integers(0, 256, (n, c, -(-h // 4), -(-w // 4)), dtype=np.uint8)
    images = coarse.repeat(4, axis=2).repeat(4, axis=3)[:, :, :h, :w]
    (data / name).mkdir(parents=True)
    for split in ("train", "test"):
        np.save(data / name / f"{split}_images.npy", images)
        np.save(data / name / f"{split}_labels.npy", (np.arange(n) % 10).astype(np.uint8))
    for path in (data / name).glob("*.npy") if provenance else ():
        write_json(sidecar(path), {"artefact": path.name, "sha256": sha256_file(path)})
    return data

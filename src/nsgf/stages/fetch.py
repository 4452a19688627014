"""`nsgf fetch`: one image data set, verified, as memory-mapped arrays."""

from pathlib import Path

from nsgf.artifact import record
from nsgf.codehash import stage_code
from nsgf.data.arrays import ARRAYS
from nsgf.data.images import fetch, verify


def run(dataset: str, out: Path) -> None:
    """Fetch `dataset` into folder `out` and verify what lies there."""
    fetch(dataset, out)
    verify(dataset, out)
    record(
        *(out / f"{name}.npy" for name in ARRAYS),
        stage="fetch",
        config={"dataset": dataset},
        seed=None,
        code=stage_code("fetch"),
    )

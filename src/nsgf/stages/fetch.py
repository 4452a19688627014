"""`nsgf fetch`: one image data set, verified, as memory-mapped arrays."""

from pathlib import Path

from nsgf.artifact import record
from nsgf.codehash import stage_code
from nsgf.data.arrays import ARRAYS
from nsgf.data.images import REGISTRY, fetch, verify


def run(dataset: str, out: Path, registry: Path | None) -> None:
    """Fetch `dataset` into folder `out` and verify what lies there."""
    described = registry or REGISTRY
    source = fetch(dataset, out, registry=described)
    verify(dataset, out, registry=described)
    record(
        *(out / f"{name}.npy" for name in ARRAYS),
        stage="fetch",
        config={"dataset": dataset},
        seed=None,
        code=stage_code("fetch"),
        inputs=[described],
        facts={"source": source},
    )

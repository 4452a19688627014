"""Jobs that download what all studies share."""

from collections.abc import Iterator

from nsgf.codehash import stage_code
from nsgf.config.preset import Preset
from nsgf.data.arrays import ARRAYS
from nsgf.jobs.job import Job
from nsgf.layout import DATA, INCEPTION, with_sidecars
from nsgf.registry import DATASETS


def fetches(preset: Preset) -> Iterator[Job]:
    """Image sets, and the Inception weights where a study asks for them."""
    names = {DATASETS[d].target for s in preset.studies.values() for d in s.datasets}
    images = {spec.target for spec in DATASETS.values() if spec.is_image}
    for name in sorted(names & images):
        folder = f"{DATA}/{name}"
        yield Job(
            "fetch",
            f"fetch-{name}",
            "",
            inputs=("config/datasets.yaml",),
            outputs=with_sidecars(f"{folder}/{array}.npy" for array in ARRAYS),
            arguments=f"--dataset {name} --registry config/datasets.yaml --out {folder}",
            code=stage_code("fetch"),
            priority=100,
        )
    if any("inception" in s.metrics.features for s in preset.studies.values()):
        yield Job(
            "fetch-inception",
            "fetch-inception",
            "",
            inputs=(),
            outputs=with_sidecars([INCEPTION]),
            arguments=f"--out {INCEPTION}",
            code=stage_code("fetch-inception"),
            priority=100,
        )

"""What a reader of a table of point clouds must know before the numbers."""

from collections.abc import Iterator, Mapping, Sequence

from nsgf.registry import DATASETS


def notes(settings, dataset: str, measured: Sequence[Mapping], reference: Mapping) -> Iterator[str]:
    """W2 between two batches of the reference sampler, which need not be independent draws."""
    found = [body["sampler_floor"] for body in reference["sets"].values()]
    yield (
        f"{DATASETS[dataset].label}: W2 between two batches of the reference sampler itself is"
        f" {sum(found) / len(found):.3f} on average."
    )

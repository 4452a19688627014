"""What a reader of a table of point clouds must know before the numbers."""

from collections.abc import Iterator, Mapping, Sequence

from nsgf.registry import DATASETS


def notes(settings, dataset: str, measured: Sequence[Mapping], reference: Mapping) -> Iterator[str]:
    """W2 between two batches of the reference sampler, which need not be independent draws."""
    spec = DATASETS[dataset]
    if spec.cloud:
        yield (
            f"{spec.label}: {spec.cloud.train} points to learn from, {spec.cloud.test} held out;"
            " distances are between standardised coordinates, the floor is that of as many"
            " training points."
        )
        return
    found = [body["sampler_floor"] for body in reference["sets"].values()]
    yield (
        f"{spec.label}: W2 between two batches of the reference sampler itself is"
        f" {sum(found) / len(found):.3f} on average; it may space points more evenly than"
        " independent draws, which the floor is of."
    )

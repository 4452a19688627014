"""What a reader of a table of images must know before the numbers."""

from collections.abc import Iterator, Mapping, Sequence

from nsgf.registry import DATASETS


def notes(settings, dataset: str, measured: Sequence[Mapping], reference: Mapping) -> Iterator[str]:
    """Why there is no FID, how good the classifier is, and how it reads each cell's samples."""
    label = DATASETS[dataset].label
    if settings.metrics.asks_for_inception and "inception" not in reference["spaces"]:
        yield (
            f"{label}: no FID and no IS: the Inception weights are not here. fd_* and kid_* are"
            " other distances under their own names and are not comparable with a printed FID."
        )
    accuracy = reference["facts"].get("classifier_accuracy")
    if accuracy is not None:
        yield f"{label}: the classifier's test accuracy is {100 * accuracy:.2f} %."
    for body in measured:
        mine = [one["facts"] for one in body["sets"] if one["facts"]]
        if mine:
            confident = sum(facts["confident_share"] for facts in mine) / len(mine)
            rarest = min(facts["rarest_class_share"] for facts in mine)
            yield (
                f"{label}, {body['cell'].path}: the classifier gives some class p > .9 on"
                f" {100 * confident:.1f} % of samples; the rarest class has {100 * rarest:.1f} %."
            )

"""The shipped figures: what work costs where nothing like it has run here."""

import functools
from pathlib import Path

from nsgf.config.base import read_yaml
from nsgf.registry import lookup

Rates = dict[str, dict[str, float]]  # seconds a unit of work, by device and name
FIXED = ("start", "file", "transport", "sorted")  # are not the GPU's
FILE = Path(__file__).with_name("reference.yaml")


@functools.cache
def reference() -> dict[str, dict]:
    """Contents of reference.yaml, where each section says what it is."""
    return read_yaml(FILE)


def rates_on(gpu: str) -> Rates:
    """The shipped figures with those of a kind of GPU.

    Raises:
        NsgfError: nothing is known of that kind.
    """
    times = lookup(reference()["gpus"], gpu, "kind of GPU")
    seconds = reference()["seconds"]
    own = {k: v if k.startswith(FIXED) else v * times for k, v in seconds["cuda"].items()}
    return seconds | {"cuda": own}

"""The shipped figures: what work costs where nothing like it has run here."""

import functools
from pathlib import Path

from nsgf.config.base import read_yaml

Rates = dict[str, dict[str, float]]  # seconds a unit of work, by device and name
FILE = Path(__file__).with_name("reference.yaml")


@functools.cache
def reference() -> dict[str, dict]:
    """Contents of reference.yaml, where each section says what it is."""
    return read_yaml(FILE)

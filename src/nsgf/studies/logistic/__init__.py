"""Bayesian logistic regression: posteriors beside a long Markov chain's, and what they predict."""

from pydantic import Field

from nsgf.registry import DATASETS
from nsgf.studies.kind import Kind, Measures

HERE = "nsgf.studies.logistic"


class Metrics(Measures):
    """The chain that posteriors are held against, and what is measured."""

    chains: int = Field(default=4, ge=2, multiple_of=2)
    """Hamiltonian Monte Carlo chains, count; one half of them is held against the other."""
    warm_up: int = Field(default=1000, ge=30)
    """Moves of each chain that are not kept, count."""
    draws: int = Field(default=2000, ge=10)
    """Moves of each chain that are, count."""
    kept: int = Field(default=2000, ge=10)
    """Points of either half of the chains that samples are compared with, count."""
    directions: int = Field(default=200, ge=1)
    """Directions of the sliced distance, count."""


def check(study) -> None:
    """Every data set is a regression's.

    Raises:
        ValueError: one is not.
    """
    for name in study.datasets:
        if DATASETS[name].target != f"{HERE}.law":
            raise ValueError(f"data set '{name}' is no table of two classes")


KIND = Kind(Metrics, measure=f"{HERE}.measure", arrays=True, by_set=True, check=check)

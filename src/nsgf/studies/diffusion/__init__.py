"""Fokker-Planck equations to Gaussians: symmetric Kullback-Leibler divergence along the way."""

from pydantic import Field

from nsgf.registry import DATASETS
from nsgf.studies.kind import Kind, Measures

HERE = "nsgf.studies.diffusion"


class Metrics(Measures):
    """What is measured of a scheme's states."""

    n_test: int = Field(default=10_000, ge=2)
    """Points of either law by which the divergence is estimated, count."""
    times: tuple[float, ...] = (0.5, 0.9)
    """When a state is held against the equation's, units of its step's time; of the sliced flow,
    whose mean moves d times as fast, against the equation at d times that."""

    @property
    def reads_models(self) -> bool:
        """A density is the network's, which samples do not tell."""
        return True


def check(study) -> None:
    """Every data set is a Gaussian's.

    Raises:
        ValueError: one is not.
    """
    for name in study.datasets:
        if DATASETS[name].target != f"{HERE}.law":
            raise ValueError(f"data set '{name}' is no Fokker-Planck equation to a Gaussian")


KIND = Kind(Metrics, measure=f"{HERE}.measure", by_set=True, check=check)

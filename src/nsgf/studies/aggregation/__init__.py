"""Interaction energies whose particles gather: ring, disk and annulus, with known ends."""

from pydantic import Field

from nsgf.registry import DATASETS
from nsgf.studies.kind import Kind, Measures

HERE = "nsgf.studies.aggregation"


class Metrics(Measures):
    """What is measured of a scheme's last state."""

    n_test: int = Field(default=2000, ge=2)
    """Points by which a state is measured, of families that can be drawn from, count."""

    @property
    def reads_models(self) -> bool:
        """Masses of a grid are the network's, which samples tell only by chance."""
        return True


def check(study) -> None:
    """Every data set is an energy of this kind.

    Raises:
        ValueError: one is not.
    """
    for name in study.datasets:
        if not DATASETS[name].target.startswith(f"{HERE}."):
            raise ValueError(f"data set '{name}' is no interaction energy")


KIND = Kind(Metrics, measure=f"{HERE}.measure", by_set=True, check=check)

"""The shipped figures: what work costs where nothing like it has run here."""

import functools
from dataclasses import dataclass
from pathlib import Path

from nsgf.config.base import read_yaml
from nsgf.ops.plan.work import Work

FILE = Path(__file__).with_name("reference.yaml")


@dataclass(frozen=True)
class Figures:
    """Contents of reference.yaml.

    Attributes:
        seconds: device -> rate -> seconds a unit of work.
        machines: device -> the machine in words.
        memory_mb: stage -> MB of a process.
        workflow, disk: further constants by name.
    """

    seconds: dict[str, dict[str, float]]
    machines: dict[str, str]
    memory_mb: dict[str, float]
    workflow: dict[str, float]
    disk: dict[str, float]

    def cost(self, work: Work) -> float:
        """Seconds of `work` on the reference machine of its device."""
        rates = self.seconds[work.device]
        return sum(
            count * rates.get(name, rates["start default"] if name.startswith("start") else 0.0)
            for name, count in work.amounts.items()
        )

    def memory(self, stage: str, work: Work) -> float:
        """Peak memory of one process, MB; a GPU's own is not counted."""
        context = self.memory_mb["cuda"] if work.device == "cuda" else 0
        return self.memory_mb.get(stage, self.memory_mb["default"]) + work.held_mb + context


@functools.cache
def figures() -> Figures:
    """The figures that are shipped."""
    return Figures(**read_yaml(FILE))

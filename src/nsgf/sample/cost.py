"""What samples cost, in numbers that add up over batches and over shards."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Cost:
    """The cost of n samples.

    Attributes:
        n: samples, count.
        rows: evaluations of velocity fields, summed over samples.
        most: evaluations of the sample that needed most.
        handover: predicted time of each sample where the method has one, (n,) or (0,).
    """

    n: int
    rows: int
    most: int
    handover: Tensor

    @classmethod
    def total(cls, costs: Sequence["Cost"]) -> "Cost":
        """The cost of consecutive batches or shards together."""
        return cls(
            n=sum(cost.n for cost in costs),
            rows=sum(cost.rows for cost in costs),
            most=max(cost.most for cost in costs),
            handover=torch.cat([cost.handover for cost in costs]),
        )

    @property
    def nfe(self) -> float:
        """Evaluations of velocity fields a sample, mean."""
        return self.rows / self.n

    def summary(self) -> dict[str, float]:
        """Mean and largest NFE, and where there is a hand-over its time and its own evaluations."""
        found = {"nfe": self.nfe, "nfe_max": self.most}
        if len(self.handover):
            found |= {
                "handover_mean": float(self.handover.mean()),
                "handover_sd": float(self.handover.std()),
                "predictor_evaluations": 1.0,
            }
        return found

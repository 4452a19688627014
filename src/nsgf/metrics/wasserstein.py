"""2-D metrics: exact W2, W2^2, the GeomLoss number, and the floor that perfect samples would meet.

w2            sqrt of the exact optimal cost |x - y|^2 between 1024 test points and samples
w2_squared    its square
geomloss      SamplesLoss("sinkhorn", p=2, blur=0.05, scaling=0.9): about W2^2 / 2, debiased; what
              the first author's earlier code printed as "W2"
floor         the same metric between the test points and as many independent draws of the target

The floor between two batches of the reference sampler itself, which for moons is a grid and not
i.i.d., stands beside it in the reference.
"""

from collections.abc import Collection
from dataclasses import dataclass

from torch import Tensor

from nsgf.data.problem import PlanarProblem
from nsgf.ot.exact import squared_w2
from nsgf.rng import Stream

GEOMLOSS = {"blur": 0.05, "scaling": 0.9}
PROTOCOLS = {
    "w2": "exact, POT emd2, sqrt",
    "w2_squared": "exact, POT emd2",
    "geomloss": "SamplesLoss sinkhorn p=2 blur=0.05 scaling=0.9",
}


@dataclass(frozen=True)
class Measured:
    """One metric of one set of samples and its same-distribution floor."""

    metric: str
    value: float
    floor: float
    protocol: str
    n: int


def distances(x: Tensor, y: Tensor, names: Collection[str]) -> dict[str, float]:
    """The metrics `names` between clouds x (n, 2) and y (m, 2)."""
    found = {}
    if "geomloss" in names:
        from geomloss import SamplesLoss

        loss = SamplesLoss("sinkhorn", p=2, backend="tensorized", **GEOMLOSS)
        found["geomloss"] = float(loss(x, y))
    squared = squared_w2(x, y)
    return {"w2": squared**0.5, "w2_squared": squared} | found


def floors(
    problem: PlanarProblem, test: Tensor, draws: int, numbers: Stream, names: Collection[str]
) -> dict[str, float]:
    """Mean of each metric over `draws` sets of i.i.d. target points, as many as in `test`."""
    n = len(test)
    # The dear metric is averaged over one draw: its floor is 0 up to sampling noise.
    cheap = [name for name in names if name != "geomloss"]
    found = [
        distances(problem.target_iid(n, numbers), test, names if k == 0 else cheap)
        for k in range(draws)
    ]
    return {
        name: sum(f[name] for f in found if name in f) / sum(name in f for f in found)
        for name in found[0]
    }

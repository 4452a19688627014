"""The energy of a scheme's last state and its radius, beside those of the exact end.

The radius is the root of the mean squared distance from the centre, which energies without a drift
leave where it was. What stands where other tables have a floor is the exact value.
"""

from pathlib import Path

import torch

from nsgf.artifact import write_json
from nsgf.config.metrics import EvaluateStage, ReferenceStage
from nsgf.jko.measure import Measure
from nsgf.metrics.wasserstein import Measured
from nsgf.nets.build import load
from nsgf.registry import DATASETS
from nsgf.rng import stream
from nsgf.studies.aggregation.energies import ENERGIES
from nsgf.studies.aggregation.family import family_of

PROTOCOL = "of the last state"


def reference(settings: ReferenceStage, unit, files) -> None:
    """The exact ends are known."""
    write_json(files.outputs["reference"], {})


class Instrument:
    """Measures the last states of one cell."""

    def __init__(self, settings: EvaluateStage, unit, files):
        self._settings, self._dataset = settings, unit["dataset"]
        self._energy = ENERGIES[DATASETS[self._dataset].target.rpartition(".")[2]]
        self._models = dict(zip(settings.sets, files.inputs["models"], strict=True))

    def measure(self, source: Path, of: tuple[int, int]) -> tuple[list[Measured], dict]:
        """Energy and radius."""
        last = list(load(self._models[of]).values())[-1]
        numbers = stream(self._settings.seed, "energy", self._dataset, *of)
        with torch.no_grad():
            mu = family_of(last, 2).draw(self._settings.metrics.n_test, numbers)
            value = float(self._energy.functional(mu))
        found = [Measured("energy", value, self._energy.least, PROTOCOL, len(mu.x))]
        radius = _radius(mu, self._energy.centred)
        return [*found, Measured("radius", radius, self._energy.radius, PROTOCOL, len(mu.x))], {}


def _radius(mu: Measure, centred: bool) -> float:
    """Root of the mean squared distance from 0, or from the measure's own centre, data units."""
    square = mu.mean(mu.x.square().sum(1))
    centre = torch.stack([mu.mean(column) for column in mu.x.T]) * (not centred)
    return float((square - centre.square().sum()).clamp_min(0).sqrt())

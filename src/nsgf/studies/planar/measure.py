"""Exact W2 of clouds of points against a test set, beside the same-distribution floor.

The test points of a set of samples are drawn anew from their own stream, the same for every method.
"""

from pathlib import Path

import torch

from nsgf.artifact import read_json, read_kept_json, read_npy, write_json
from nsgf.config.metrics import EvaluateStage, ReferenceStage
from nsgf.data.problem import CloudProblem, PlanarProblem, problem_from
from nsgf.metrics.debiased import SLICED, debiased_sliced
from nsgf.metrics.wasserstein import PROTOCOLS, Measured, distances, floors
from nsgf.progress import bar
from nsgf.rng import stream


def points_of_test(
    settings: ReferenceStage, problem: PlanarProblem | CloudProblem, dataset: str, of: tuple
) -> torch.Tensor:
    """Test points of a part of the set of samples, `of` (seed, sample, part), (n_test, d)."""
    seed, sample, k = of
    numbers = stream(settings.seed, "test", dataset, seed, sample * settings.metrics.blocks + k)
    return problem.test(settings.metrics.n_test, numbers)


def reference(settings: ReferenceStage, unit, files) -> None:
    """The floors of every set of samples, as one .json; a killed run goes on after its last set."""
    dataset, metrics = unit["dataset"], settings.metrics
    problem, found = problem_from(dataset, files.inputs.get("data")), {}
    with bar(len(settings.sets), f"floors {dataset}") as progress:
        for of in settings.sets:
            kept = files.state / "{}-{}.json".format(*of)
            if (of_set := read_kept_json(kept)) is None:
                parts = [
                    _floors(settings, problem, dataset, (*of, k)) for k in range(metrics.blocks)
                ]
                of_set = {
                    "floors": _mean([floor for floor, _ in parts]),
                    "sampler_floor": sum(again for _, again in parts) / metrics.blocks,
                }
                write_json(kept, of_set)
            found["{}-{}".format(*of)] = of_set
            progress.update()
    write_json(files.outputs["reference"], {"sets": found})


def _floors(settings, problem, dataset: str, of: tuple) -> tuple[dict[str, float], float]:
    """Of the test points of a part `of` a set: floors, and W2 to the reference sampler's points."""
    seed, sample, k = of
    metrics = settings.metrics
    numbers = stream(settings.seed, "floor", dataset, seed, sample * metrics.blocks + k)
    test = points_of_test(settings, problem, dataset, of)
    names = metrics.names(sample) if k == 0 else metrics.names(metrics.geomloss_samples)
    floor = floors(problem, test, metrics.floor_draws, numbers, names)
    again = distances(problem.target(metrics.n_test, numbers), test, ("w2",))
    return floor, again["w2"]


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each number over the parts that have it."""
    names = dict.fromkeys(name for one in found for name in one)
    held = {name: [one[name] for one in found if name in one] for name in names}
    return {name: sum(values) / len(values) for name, values in held.items()}


class Instrument:
    """Measures the sets of samples of one cell."""

    def __init__(self, settings: EvaluateStage, unit, files):
        self._settings, self._dataset = settings, unit["dataset"]
        self._problem = problem_from(self._dataset, files.inputs.get("data"))
        self._floors = read_json(files.inputs["reference"])["sets"]

    def measure(self, source: Path, of: tuple[int, int]) -> tuple[list[Measured], dict]:
        """The metrics of a set of samples `of` (seed, sample), and further facts."""
        metrics, floor = self._settings.metrics, self._floors["{}-{}".format(*of)]["floors"]
        samples = self._problem.standard(torch.from_numpy(read_npy(source)))
        parts = samples.split(metrics.n_test)[: metrics.blocks] if metrics.blocks > 1 else [samples]
        each = []
        for k, part in enumerate(parts):
            names = metrics.names(of[1]) if k == 0 else metrics.names(metrics.geomloss_samples)
            test = points_of_test(self._settings, self._problem, self._dataset, (*of, k))
            each.append(distances(part, test, names))
        n = len(parts[0])
        found = [
            Measured(name, value, floor[name], PROTOCOLS[name], n)
            for name, value in _mean(each).items()
        ]
        if metrics.directions:
            found.append(self._sliced(samples, of))
        return found, {}

    def _sliced(self, samples: torch.Tensor, of: tuple[int, int]) -> Measured:
        """The debiased sliced distance of a whole set, beside that of as many target points."""
        count, n = self._settings.metrics.directions, len(samples)
        numbers = stream(self._settings.seed, "sliced", self._dataset, *of)
        # Some laws draw their parts one after the other.
        one, other = (
            self._problem.target_iid(n, numbers)[numbers.permutation(n)] for _ in range(2)
        )
        value, floor = (debiased_sliced(x, one, count) for x in (samples, other))
        return Measured("sw2_debiased", value, floor, f"{SLICED}, {count} directions", n)

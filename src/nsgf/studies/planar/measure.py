"""Exact W2 of clouds of points against a test set, beside the same-distribution floor.

The test points of a set of samples are drawn anew from their own stream, the same for every method.
"""

from pathlib import Path

import torch

from nsgf.artifact import read_json, read_kept_json, read_npy, write_json
from nsgf.config.metrics import EvaluateStage, ReferenceStage
from nsgf.data.problem import CloudProblem, PlanarProblem, problem_from
from nsgf.metrics.wasserstein import Measured, distances, floors, measure
from nsgf.progress import bar
from nsgf.rng import stream


def points_of_test(
    settings: ReferenceStage, problem: PlanarProblem | CloudProblem, dataset: str, of: tuple
) -> torch.Tensor:
    """Test points of the set of samples `of` (seed, sample), (n_test, d)."""
    numbers = stream(settings.seed, "test", dataset, *of)
    return problem.test(settings.metrics.n_test, numbers)


def reference(settings: ReferenceStage, unit, files) -> None:
    """The floors of every set of samples, as one .json; a killed run goes on after its last set."""
    dataset, metrics = unit["dataset"], settings.metrics
    problem, found = problem_from(dataset, files.inputs.get("data")), {}
    with bar(len(settings.sets), f"floors {dataset}") as progress:
        for seed, sample in settings.sets:
            kept = files.state / f"{seed}-{sample}.json"
            if (of_set := read_kept_json(kept)) is None:
                numbers = stream(settings.seed, "floor", dataset, seed, sample)
                test = points_of_test(settings, problem, dataset, (seed, sample))
                names = metrics.names(sample)
                floor = floors(problem, test, metrics.floor_draws, numbers, names)
                again = distances(problem.target(metrics.n_test, numbers), test, ("w2",))
                of_set = {"floors": floor, "sampler_floor": again["w2"]}
                write_json(kept, of_set)
            found[f"{seed}-{sample}"] = of_set
            progress.update()
    write_json(files.outputs["reference"], {"sets": found})


class Instrument:
    """Measures the sets of samples of one cell."""

    def __init__(self, settings: EvaluateStage, unit, files):
        self._settings, self._dataset = settings, unit["dataset"]
        self._problem = problem_from(self._dataset, files.inputs.get("data"))
        self._floors = read_json(files.inputs["reference"])["sets"]

    def measure(self, source: Path, of: tuple[int, int]) -> tuple[list[Measured], dict]:
        """The metrics of a set of samples `of` (seed, sample), and further facts."""
        test = points_of_test(self._settings, self._problem, self._dataset, of)
        floor = self._floors[f"{of[0]}-{of[1]}"]["floors"]
        names = self._settings.metrics.names(of[1])
        samples = self._problem.standard(torch.from_numpy(read_npy(source)))
        return measure(samples, test, floor, names), {}

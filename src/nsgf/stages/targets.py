"""`nsgf targets`: how wrong a solver's training targets are, on each data set, as one .json."""

from collections.abc import Sequence
from pathlib import Path

from nsgf.artifact import record, write_json
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.targets import SOLVERS, TargetsStage
from nsgf.data.problem import open_problem, training_files
from nsgf.device import set_up
from nsgf.metrics.targets import PROTOCOL, Errors, Setting, settings_of, target_errors
from nsgf.progress import bar
from nsgf.registry import BACKENDS
from nsgf.stages.unit import Unit, fill, require


def run(config: Path, units: Sequence[Unit], data: Path | None, out: str) -> None:
    """Measure on the data sets of `units` (dataset) into `out`.

    Args:
        config: a TargetsStage.
        units: what to measure; the minibatch problems are not those of any pool.
        data: folder of the image sets.
        out: path template of the .json.
    """
    stage = load(config, TargetsStage)
    device = set_up(stage.compute)
    for unit in units:
        require(unit, "dataset")
        target = fill(out, unit)
        write_json(target, _measure(stage, unit["dataset"], data, device))
        record(
            target,
            stage="targets",
            config=stage.model_dump(mode="json"),
            seed=stage.seed,
            code=stage_code("targets", unit["dataset"], used=[BACKENDS[s] for s in SOLVERS]),
            inputs=training_files(unit["dataset"], data),
            facts={"unit": unit, "device": str(device)},
        )


def _measure(stage: TargetsStage, dataset: str, data: Path | None, device) -> dict:
    problem, settings = open_problem(dataset, data), settings_of(stage.targets.scalings)
    found: dict[Setting, list[Errors]] = {setting: [] for setting in settings}
    with bar(stage.targets.problems, f"targets {dataset}") as progress:
        for k in range(stage.targets.problems):
            ends = problem.minibatch(stage.batch_size, stage.seed, "targets", dataset, k)
            errors = target_errors(ends.x0.to(device), ends.y.to(device), stage.flow, settings)
            for setting, error in zip(settings, errors, strict=True):
                found[setting].append(error)
            progress.update()
    return {
        "dataset": dataset,
        "n": stage.batch_size,
        "flow": stage.flow.model_dump(mode="json", include={"steps", "step_size", "blur"}),
        "protocol": PROTOCOL,
        "settings": [
            {"backend": s.backend, "scaling": s.scaling, "problems": [e.as_lists() for e in errors]}
            for s, errors in found.items()
        ],
    }

"""The metrics of all sets of samples of a cell, as one .json; images with neighbours."""

from collections.abc import Iterator

from nsgf.config.base import deciding
from nsgf.config.metrics import EvaluateStage
from nsgf.engine.branch import Branch, Placed, filled, split
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.layout import FEATURES
from nsgf.registry import kind_of, module_of
from nsgf.stages.reference import instrument_modules, measuring


def tasks(outline: Outline) -> Iterator[Task]:
    """Every cell on every data set."""
    for branch in outline.branches:
        for placed in branch.cells:
            yield _task(branch, placed)


def _task(branch: Branch, placed: Placed) -> Task:
    cell, shards = placed.cell, branch.study.shards.features
    inputs = {
        "samples": filled(f"{placed.samples}.npy", branch.sets),
        "cost": filled(f"{placed.samples}.json", branch.sets),
        "reference": f"{branch.reference}.json",
        **branch.instruments,
    }
    if branch.kind.arrays:
        inputs["arrays"] = f"{branch.reference}.npz"
    if shards > 1:
        parts = [part for whole in branch.sets for part in split(whole, shards)]
        inputs["features"] = filled(placed.samples + FEATURES, parts)
    outputs = {"metrics": f"{placed.metrics}.json"}
    if branch.kind.neighbours:
        outputs["neighbours"] = f"{placed.metrics}.npz"
    varied = ("nfe", "flow", "pool", "sampling")
    parameters = {key: deciding(getattr(cell, key)) for key in varied}
    if getattr(branch.study.metrics, "reads_models", False):
        (template,) = placed.models.values()
        inputs["models"] = tuple(template.format(**unit) for unit in branch.sets)
        parameters["networks"] = {n: dict(t.options) for n, t in cell.networks.items()}
    about = measuring(branch) | {"sets": [(u["seed"], u["sample"]) for u in branch.sets]}
    return branch.task(
        "evaluate",
        placed.metrics,
        {"dataset": branch.dataset},
        settings=EvaluateStage(**about, method=cell.method, parameters=parameters),
        inputs=inputs,
        outputs=outputs,
        modules=instrument_modules(branch),
    )


def make(settings: EvaluateStage, unit, files) -> None:
    """Measure a cell's sets of samples; a killed run goes on after its last set.

    Raises:
        NsgfError: features that jobs have computed are of other samples, weights or settings.
    """
    from nsgf.artifact import read_json, read_kept_json, write_json
    from nsgf.device import set_up
    from nsgf.progress import bar

    set_up(settings.compute.model_copy(update={"device": "cpu"}))  # a GPU is taken by what needs it
    _check_features(settings, unit, files.inputs)
    measure = module_of(kind_of(settings.kind).measure)
    instrument, found = measure.Instrument(settings, unit, files), []
    pairs = zip(files.inputs["samples"], files.inputs["cost"], strict=True)
    with bar(len(settings.sets), f"evaluate {unit['dataset']}") as progress:
        for of, (source, cost) in zip(settings.sets, pairs, strict=True):
            kept = files.state / f"{of[0]}-{of[1]}.json"
            if (measured := read_kept_json(kept)) is None:
                rows, facts = instrument.measure(source, of)
                measured = {"facts": facts, "metrics": _plain(rows)}
                write_json(kept, measured)
            about = {"seed": of[0], "sample": of[1], "cost": read_json(cost)}
            found.append(about | measured)
            progress.update()
    if "neighbours" in files.outputs:
        instrument.show(files.inputs["samples"][0], files.outputs["neighbours"])
    body = {"dataset": unit["dataset"], "method": settings.method, "sets": found}
    write_json(files.outputs["metrics"], body | {"parameters": settings.parameters})


def _check_features(settings: EvaluateStage, unit, inputs) -> None:
    """Whether each set's features are of that set, by the weights that are here."""
    from nsgf.engine.parts import check_parts

    shared, about = inputs.get("features", []), deciding(settings)
    wanted = {key: about[key] for key in ("seed", "metrics", "compute")}
    known = [inputs[name] for name in ("reference", "classifier") if name in inputs]
    each = len(shared) // len(settings.sets)
    for k, (seed, sample) in enumerate(settings.sets if shared else ()):
        whole, mine = unit | {"seed": seed, "sample": sample}, shared[k * each : (k + 1) * each]
        check_parts(mine, "features", whole, wanted, [inputs["samples"][k], *known])


def _plain(rows) -> list[dict]:
    """JSON has no nan: a missing floor is null."""
    from dataclasses import asdict

    return [{k: None if v != v else v for k, v in asdict(row).items()} for row in rows]

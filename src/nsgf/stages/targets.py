"""How wrong a solver's training targets are, on each data set, as one .json."""

from collections.abc import Iterator

from nsgf.config.base import Model
from nsgf.config.compute import Compute
from nsgf.config.pool import SOLVERS, Flow, Targets
from nsgf.engine.branch import Branch
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.registry import BACKENDS


class TargetsStage(Model):
    """All that decides the errors of targets."""

    seed: int
    flow: Flow
    batch_size: int
    """Particles n of one minibatch problem, count."""
    targets: Targets
    compute: Compute


def tasks(outline: Outline) -> Iterator[Task]:
    """One for each data set of a study that asks."""
    for branch in outline.branches:
        if branch.study.targets:
            yield _task(branch)


def asking(outline: Outline) -> list[Branch]:
    """Branches whose study asks how wrong targets are; of a data set in several, the first."""
    found: dict[str, Branch] = {}
    for branch in (b for b in outline.branches if b.study.targets):
        found.setdefault(branch.dataset, branch)
    return list(found.values())


def errors_file(branch: Branch) -> str:
    """Where the errors of a branch's targets lie."""
    return branch.layout.path("metrics", branch.dataset, f"{_name(branch)}.json")


def _name(branch: Branch) -> str:
    settings = _settings(branch).model_dump(mode="json")
    return branch.names.of(f"metrics/{branch.dataset}", "targets", settings)


def _settings(branch: Branch) -> TargetsStage:
    study = branch.study
    return TargetsStage(
        seed=branch.seed,
        flow=study.flow,
        batch_size=study.pool.batch_size,
        targets=study.targets,
        compute=study.compute,
    )


def _task(branch: Branch) -> Task:
    return branch.task(
        "targets",
        errors_file(branch),
        {"dataset": branch.dataset},
        settings=_settings(branch),
        inputs={"data": branch.problem_files},
        outputs={"errors": errors_file(branch)},
        modules=[BACKENDS[s] for s in SOLVERS],
    )


def make(settings: TargetsStage, unit, files) -> dict:
    """Measure on one data set; its minibatch problems are not those of any pool."""
    from nsgf.artifact import write_json
    from nsgf.data.problem import problem_from
    from nsgf.device import set_up
    from nsgf.metrics.targets import PROTOCOL, settings_of, target_errors
    from nsgf.progress import bar

    device, dataset = set_up(settings.compute), unit["dataset"]
    problem = problem_from(dataset, files.inputs.get("data"))
    found = {setting: [] for setting in settings_of(settings.targets.scalings)}
    with bar(settings.targets.problems, f"targets {dataset}") as progress:
        for k in range(settings.targets.problems):
            ends = problem.minibatch(settings.batch_size, settings.seed, "targets", dataset, k)
            x0, y = ends.x0.to(device), ends.y.to(device)
            errors = target_errors(x0, y, settings.flow, list(found))
            for setting, error in zip(found, errors, strict=True):
                found[setting].append(error)
            progress.update()
    body = {
        "dataset": dataset,
        "n": settings.batch_size,
        "flow": settings.flow.model_dump(mode="json", include={"steps", "step_size", "blur"}),
        "protocol": PROTOCOL,
        "settings": [
            {"backend": s.backend, "scaling": s.scaling, "problems": [e.as_lists() for e in errors]}
            for s, errors in found.items()
        ],
    }
    write_json(files.outputs["errors"], body)
    return {"device": str(device)}

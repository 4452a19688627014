"""How wrong training targets were and what that changed, over all studies that ask."""

from collections.abc import Iterator

from nsgf.config.base import Model
from nsgf.config.metrics import Judging
from nsgf.config.pool import Trajectories
from nsgf.engine.branch import Branch, Placed
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.registry import DATASETS
from nsgf.stages.table import ENDINGS
from nsgf.stages.targets import errors_file


class Trained(Model):
    """The metrics of an NSGF, and what solved its targets."""

    dataset: str
    backend: str
    scaling: float | None
    """None for a solver that converges."""


class TargetsTableStage(Model):
    """All that decides this table beside what was measured."""

    seed: int
    title: str
    reduced: tuple[str, ...]
    judging: Judging
    problems: tuple[int, ...]
    """Minibatch problems of each study, counts."""
    trained: tuple[Trained, ...]
    """One for each file of metrics."""
    seeds: tuple[int, int] | None
    """Training and sampling seeds behind W2; null where no study has both networks."""


def tasks(outline: Outline) -> Iterator[Task]:
    """One, where a study asks."""
    asked = asking(outline)
    if not asked:
        return
    preset, pairs = outline.preset, [(b, p) for b in asked for p in pair(b)]
    both = next((b.study for b, _ in pairs), None)
    settings = TargetsTableStage(
        seed=preset.seed,
        title=preset.title,
        reduced=preset.reduced,
        judging=preset.judging,
        problems=tuple(sorted({b.study.targets.problems for b in asked})),
        trained=tuple(_trained(b, p) for b, p in pairs),
        seeds=(both.train_seeds, both.sample_seeds) if both else None,
    )
    yield Task(
        "targets-table",
        {},
        settings,
        inputs={
            "errors": tuple(dict.fromkeys(map(errors_file, asked))),
            "metrics": tuple(f"{p.metrics}.json" for _, p in pairs),
        },
        outputs={e: outline.layout.table("targets", e) for e in ENDINGS},
        entries=tuple(DATASETS.items()),
        part="targets-table",
        reported=True,
        local=True,
        labels={"table": "targets"},
        caption="targets",
    )


def asking(outline: Outline) -> list[Branch]:
    """Branches whose study asks how wrong targets are; of a data set in several, the first."""
    found: dict[str, Branch] = {}
    for branch in (b for b in outline.branches if b.study.targets):
        found.setdefault(branch.dataset, branch)
    return list(found.values())


def pair(branch: Branch) -> tuple[Placed, ...]:
    """The cells of one NSGF with exact and one with GeomLoss targets, on equal budgets; or none."""
    flows = [p for p in branch.cells if p.cell.method == "nsgf"]
    for exact in (p for p in flows if p.cell.flow.backend == "newton"):
        for other in (p for p in flows if p.cell.flow.backend == "geomloss"):
            one, two = (Trajectories(flow=p.cell.flow, pool=p.cell.pool) for p in (exact, other))
            if one.equals_but_for_solver(two):
                return exact, other
    return ()


def _trained(branch: Branch, placed: Placed) -> Trained:
    flow = placed.cell.flow
    scaling = None if flow.backend == "newton" else flow.scaling
    return Trained(dataset=branch.dataset, backend=flow.backend, scaling=scaling)


def make(settings: TargetsTableStage, unit, files) -> None:
    """Write the table in all its forms."""
    from nsgf.artifact import read_json
    from nsgf.report import render, target_tables

    measured = [read_json(file) for file in files.inputs["errors"]]
    trained: dict[str, dict[str, dict]] = {}
    for about, file in zip(settings.trained, files.inputs["metrics"], strict=True):
        key = target_tables.key_of(about.model_dump())
        trained.setdefault(about.dataset, {})[key] = read_json(file)
    found = target_tables.table(measured, trained, settings.judging.confidence)
    title = f"How wrong the training targets were - {settings.title}"
    notes = _notes(settings, measured[0]["protocol"])
    render.write_forms(files.outputs, title, notes, found, target_tables.display(found))


def _notes(settings: TargetsTableStage, protocol: str) -> list[str]:
    """What a reader must know before the numbers."""
    percent = round(100 * settings.judging.confidence)
    counted = " or ".join(map(str, settings.problems))
    found = [
        *settings.reduced,
        "Targets are the velocities that a trajectory pool stores. Velocity error: |v - v*| / |v*|"
        f" over all particles; {protocol}.",
        "Shared by all particles: |mean(v - v*)| over the root mean square of v*; length: v's along"
        " v*, 1 if exact. Both at the first step, where velocities are largest.",
        f"Errors: {percent} % Student-t intervals over {counted} minibatch problems.",
    ]
    if settings.seeds:
        train, sample = settings.seeds
        found.append(
            f"W2: {percent} % Student-t over {train} training seeds, each the mean of {sample}"
            " sampling seeds. Both NSGFs have the same problems, network, steps, noise and test"
            " points, so that their difference is taken seed by seed."
        )
    return found

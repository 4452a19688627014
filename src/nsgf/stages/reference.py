"""What samples are compared with; made once, whatever the methods."""

from collections.abc import Iterator

from nsgf.config.metrics import ReferenceStage
from nsgf.engine.branch import Branch
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.registry import NETS, kind_of, module_of


def tasks(outline: Outline) -> Iterator[Task]:
    """One for each data set of each study."""
    for branch in outline.branches:
        outputs = {"reference": f"{branch.reference}.json"}
        if branch.kind.arrays:
            outputs["arrays"] = f"{branch.reference}.npz"
        yield branch.task(
            "reference",
            branch.reference,
            {"dataset": branch.dataset},
            settings=ReferenceStage(**measuring(branch)),
            inputs=branch.instruments,
            outputs=outputs,
            modules=instrument_modules(branch),
        )


def measuring(branch: Branch) -> dict:
    """Settings that all measuring of a branch shares."""
    sets = [(u["seed"], u["sample"]) for u in branch.sets] if branch.kind.by_set else []
    return {
        "seed": branch.seed,
        "kind": branch.study.kind,
        "metrics": branch.study.metrics,
        "sets": sets,
        "compute": branch.study.compute,
    }


def instrument_modules(branch: Branch) -> tuple[str, ...]:
    """Code of measuring that no import shows."""
    nets = [NETS[branch.study.networks[n].net.kind] for n in branch.study.metrics.networks]
    return (branch.kind.measure, *nets)


def make(settings: ReferenceStage, unit, files) -> None:
    """Make the reference of a data set."""
    from nsgf.device import set_up

    set_up(settings.compute.model_copy(update={"device": "cpu"}))  # a GPU is taken by what needs it
    module_of(kind_of(settings.kind).measure).reference(settings, unit, files)

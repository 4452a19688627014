"""One figure of a preset, as .pdf and .png."""

from collections.abc import Iterator

from nsgf.config.figure import Figure, FigureStage, PanelOf
from nsgf.config.preset import shown_cells
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.registry import DATASETS, FIGURES, METHODS, module_of
from nsgf.stages.targets import errors_file
from nsgf.stages.targets_table import asking


def tasks(outline: Outline) -> Iterator[Task]:
    """Every figure of the preset."""
    for name, figure in outline.preset.figures.items():
        yield _task(outline, name, figure)


def _task(outline: Outline, name: str, figure: Figure) -> Task:
    preset, kind = outline.preset, FIGURES[figure.kind]
    inputs, panels = _sources(outline, figure, kind.reads)
    about = {"title": preset.title, "reduced": preset.reduced, "judging": preset.judging}
    if files := tuple(file for dataset in figure.datasets for file in DATASETS[dataset].files):
        inputs["laws"] = files
    laws = [module for dataset in figure.datasets for module in DATASETS[dataset].modules]
    return Task(
        "figure",
        {"figure": name},
        FigureStage(seed=preset.seed, name=name, figure=figure, panels=panels, **about),
        inputs=inputs,
        outputs={e: outline.layout.figure(name, e) for e in ("pdf", "png")},
        modules=(kind.module, *laws),
        entries=(*DATASETS.items(), *METHODS.items()),
        part=f"figure-{name}",
        study=figure.study or "",
        reported=True,
        local=True,
        labels={"figure": name.removeprefix("figure"), "shows": ", ".join(figure.datasets)},
        caption="targets" if kind.reads == "targets" else "figure",
    )


def _sources(outline: Outline, figure: Figure, reads: str) -> tuple[dict, tuple[PanelOf, ...]]:
    """What a figure is drawn from: the first seed's paths, or neighbours, of each cell; errors of
    targets with their table; or the study's table."""
    if reads == "targets":
        files = tuple(errors_file(b) for b in asking(outline) if b.dataset in figure.datasets)
        return {"errors": files, "table": outline.layout.table("targets")}, ()
    if reads == "table":
        return {"table": outline.layout.table(figure.study)}, ()
    wanted = [cell.path for cell in shown_cells(outline.preset.studies[figure.study], figure)]
    arrays, costs, panels = [], [], []
    for branch in (b for d in figure.datasets for b in outline.of(figure.study) if b.dataset == d):
        known = {placed.cell.path: placed for placed in branch.cells}
        for placed in map(known.__getitem__, wanted):
            first = placed.samples.format(**branch.sets[0])
            arrays.append(f"{placed.metrics if reads == 'neighbours' else first}.npz")
            costs.append(f"{first}.json")
            cell = placed.cell
            panels.append(
                PanelOf(
                    dataset=branch.dataset,
                    row=cell.name,
                    method=cell.method,
                    label=_label(cell),
                )
            )
    return {"arrays": tuple(arrays), "cost": tuple(costs)}, tuple(panels)


def _label(cell) -> str:
    """A cell's printed name: with what varies beside the NFE, which stands there anyway."""
    varied = {k: v for k, v in cell.varied.items() if k not in ("nfe", "flow.steps")}
    return (
        f"{cell.label} ({', '.join(f'{k} {v}' for k, v in varied.items())})"
        if varied
        else cell.label
    )


def make(settings: FigureStage, unit, files) -> dict:
    """Draw a figure; its kind is a module with a `draw`."""
    from nsgf.report.source import read, read_targets
    from nsgf.report.style import save

    kind = FIGURES[settings.figure.kind]
    if kind.reads == "targets":
        panels = read_targets(files.inputs["errors"], files.inputs["table"])
    elif kind.reads == "table":
        panels = files.inputs["table"]
    else:
        each = zip(files.inputs["arrays"], files.inputs["cost"], settings.panels, strict=True)
        panels = [read(*which) for which in each]
    drawing = module_of(kind.module).draw(settings, settings.figure, panels)
    save(drawing, files.outputs["pdf"], files.outputs["png"])
    return {"title": settings.title, "reduced": list(settings.reduced)}

"""One figure of a preset, as .pdf and .png."""

from collections.abc import Iterator, Mapping

from nsgf.config.cells import Cell, beside_nfe, cells
from nsgf.config.figure import Figure, FigureStage, PanelOf, Shown
from nsgf.config.preset import shown_cells
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.registry import DATASETS, FIGURES, module_of, shown_entries
from nsgf.stages.probe import probe_file
from nsgf.stages.targets import asking, errors_file


def tasks(outline: Outline) -> Iterator[Task]:
    """Every figure of the preset that shows something that is run, as far as it is."""
    asked, running = [b.dataset for b in asking(outline)], outline.preset.running
    for name, figure in outline.preset.figures.items():
        known = running[figure.study].datasets if figure.study in running else ()
        here = asked if figure.study is None else known
        if shown := tuple(d for d in figure.datasets if d in here):
            yield _task(outline, name, figure.model_copy(update={"datasets": shown}))


def _task(outline: Outline, name: str, figure: Figure) -> Task:
    kind, specs = FIGURES[figure.kind], [DATASETS[dataset] for dataset in figure.datasets]
    inputs, panels = _sources(outline, figure, kind.reads)
    running = outline.preset.running
    studies = [running[figure.study]] if figure.study else [b.study for b in asking(outline)]
    if files := tuple(file for spec in specs for file in spec.files):
        inputs["laws"] = files
    return Task(
        "figure",
        {"figure": name},
        FigureStage.of(outline.preset, name, figure.study, figure=figure, panels=panels),
        inputs=inputs,
        outputs={e: outline.layout.figure(name, e) for e in ("pdf", "png")},
        modules=(kind.module, *(module for spec in specs for module in spec.modules)),
        entries=shown_entries({study.kind for study in studies}),
        part=f"figure-{name}",
        study=figure.study or "",
        reported=True,
        local=True,
        labels={"figure": name.removeprefix("figure"), "shows": ", ".join(figure.datasets)},
        caption="targets" if kind.reads == "targets" else "figure",
    )


def _sources(outline: Outline, figure: Figure, reads: str) -> tuple[dict, tuple[PanelOf, ...]]:
    """What a figure is drawn from: the first seed's paths, or neighbours, of each cell; errors of
    targets with their table; what the study's probes found; or the study's table."""
    if reads == "targets":
        files = tuple(errors_file(b) for b in asking(outline) if b.dataset in figure.datasets)
        return {"errors": files, "table": outline.layout.table("targets")}, ()
    if reads == "probe":
        of = [b for b in outline.of(figure.study) if b.dataset in figure.datasets]
        return {"probes": tuple(probe_file(b) for b in of)}, ()
    if reads == "table":
        return {"table": outline.layout.table(figure.study)}, ()
    study = outline.preset.studies[figure.study]
    wanted, aside = [c.path for c in shown_cells(study, figure)], beside_nfe(cells(study))
    arrays, costs, panels = [], [], []
    for branch in (b for d in figure.datasets for b in outline.of(figure.study) if b.dataset == d):
        known = {placed.cell.path: placed for placed in branch.cells}
        for placed in map(known.__getitem__, wanted):
            first = placed.samples.format(**branch.sets[0])
            arrays.append(f"{placed.metrics if reads == 'neighbours' else first}.npz")
            costs.append(f"{first}.json")
            panels.append(PanelOf(dataset=branch.dataset, cell=shown(placed.cell, aside)))
    return {"arrays": tuple(arrays), "cost": tuple(costs)}, tuple(panels)


def shown(cell: Cell, aside: Mapping[str, Mapping]) -> Shown:
    """A cell with its printed name: with what varies beside the NFE, which stands there anyway."""
    varied = [f"{k} {v}" for k, v in aside[cell.path].items()]
    label = f"{cell.label} ({', '.join(varied)})" if varied else cell.label
    return Shown(row=cell.name, method=cell.method, label=label)


def make(settings: FigureStage, unit, files) -> dict:
    """Draw a figure; its kind is a module with a `draw`."""
    from nsgf.report.source import read
    from nsgf.report.style import look, save

    kind, inputs = FIGURES[settings.figure.kind], files.inputs
    if settings.panels:
        each = zip(inputs["arrays"], inputs["cost"], settings.panels, strict=True)
        drawn_from = [read(kind.reads, *which) for which in each]
    else:
        drawn_from = inputs["table"] if kind.reads == "table" else inputs
    with look():
        drawing = module_of(kind.module).draw(settings, settings.figure, drawn_from)
        save(drawing, files.outputs)
    return {"title": settings.title, "reduced": list(settings.reduced)}

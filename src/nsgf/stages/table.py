"""A study's table as CSV, Markdown and HTML."""

from collections.abc import Iterator

from nsgf.config.base import Model
from nsgf.config.metrics import Judging
from nsgf.config.study import Study
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.layout import paper_file
from nsgf.registry import DATASETS, METHODS, STUDIES, module_of

ENDINGS = ("csv", "md", "html")


class TableStage(Model):
    """All that decides a table beside what was measured."""

    seed: int
    name: str
    """Of the study."""
    title: str
    reduced: tuple[str, ...]
    judging: Judging
    study: Study


def tasks(outline: Outline) -> Iterator[Task]:
    """One for each study."""
    for name, study in outline.preset.studies.items():
        yield _task(outline, name, study)


def _task(outline: Outline, name: str, study: Study) -> Task:
    preset, branches = outline.preset, outline.of(name)
    inputs = {
        "metrics": tuple(f"{p.metrics}.json" for b in branches for p in b.cells),
        "references": tuple(f"{b.reference}.json" for b in branches),
    }
    if study.paper:
        inputs["published"] = paper_file(study.paper)
    about = {"title": preset.title, "reduced": preset.reduced, "judging": preset.judging}
    notes = branches[0].kind.notes
    return Task(
        "table",
        {"study": name},
        TableStage(seed=preset.seed, name=name, study=study, **about),
        inputs=inputs,
        outputs={e: outline.layout.table(name, e) for e in ENDINGS},
        modules=(branches[0].kind.table, *([notes] if notes else [])),
        entries=(*DATASETS.items(), *METHODS.items()),  # labels, order and aliases
        part=f"table-{name}",
        study=name,
        reported=True,
        local=True,
        labels={"table": name.removeprefix("table")},
        caption="table",
    )


def make(settings: TableStage, unit, files) -> None:
    """Write a table in all its forms."""
    from nsgf.artifact import read_json
    from nsgf.config.cells import cells
    from nsgf.config.published import published_of
    from nsgf.report import render, tables

    kind = module_of(STUDIES[settings.study.kind]).KIND
    form = module_of(kind.table)
    name, study = settings.name, settings.study
    published = published_of(files.inputs.get("published"))
    each = [(d, cell) for d in study.datasets for cell in cells(study)]
    measured = [
        read_json(file) | {"cell": cell, "dataset": dataset}
        for file, (dataset, cell) in zip(files.inputs["metrics"], each, strict=True)
    ]
    found = form.table(name, measured, published, study, settings.judging.confidence)
    labels = tables.labels_of(study, published)
    printed = published.tables.get(name)
    heading = f"{printed.title} - " if printed else ""
    title = f"{name.replace('table', 'Table ')}: {heading}{settings.title}"
    references = dict(zip(study.datasets, map(read_json, files.inputs["references"]), strict=True))
    notes = _notes(settings, published, measured, references)
    render.write_forms(files.outputs, title, notes, found, form.display(found, labels))


def _notes(settings: TableStage, published, measured, references) -> list[str]:
    """What a reader must know before the numbers."""
    study, percent = settings.study, round(100 * settings.judging.confidence)
    over = (
        f"{study.train_seeds} training seeds, each the mean of {study.sample_seeds} sampling seeds"
        if study.train_seeds > 1
        else f"{study.sample_seeds} sampling seeds of one training"
    )
    found = [
        *settings.reduced,
        f"Intervals: {percent} % Student-t over {over}.",
        "Floor: the same metric for as many points of the target law itself.",
    ]
    if settings.name in published.tables:
        found.append(f"Published: {published.source}. {published.tables[settings.name].why}")
    kind = module_of(STUDIES[study.kind]).KIND
    for dataset in study.datasets if kind.notes else ():
        mine = [body for body in measured if body["dataset"] == dataset]
        found += module_of(kind.notes).notes(study, dataset, mine, references[dataset])
    return found

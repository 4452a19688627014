"""Tables as CSV, Markdown and HTML: of studies, of print, of probes and of training targets."""

from collections.abc import Iterator

from nsgf.config.figure import TableStage
from nsgf.config.pool import Trajectories
from nsgf.config.study import Study
from nsgf.engine.branch import Branch, Placed
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.layout import paper_file
from nsgf.registry import kind_of, module_of, shown_entries
from nsgf.stages.probe import probe_file
from nsgf.stages.targets import asking, errors_file

ENDINGS = ("csv", "md", "html")
TARGETS = "nsgf.report.target_tables"
PAIRS = "nsgf.report.paired_table"
PROBES = "nsgf.report.probe_table"


def tasks(outline: Outline) -> Iterator[Task]:
    """One for each study, others where print can be held against it and where it has a probe, and
    one where studies ask how wrong training targets are."""
    for name, study in outline.preset.running.items():
        branches = outline.of(name)
        inputs = {
            "metrics": tuple(f"{p.metrics}.json" for b in branches for p in b.cells),
            "references": tuple(f"{b.reference}.json" for b in branches),
        }
        if study.paper:
            inputs["published"] = paper_file(study.paper)
        kind = branches[0].kind
        yield _task(outline, name, inputs, (kind.table, kind.notes), study)
        if study.paper and kind.print:
            own = {"table": outline.layout.table(name)}
            yield _task(outline, f"{name}-print", own, (kind.print,), of=name)
        if study.compare:
            pairs = [[_at(b, path) for path in pair] for b in branches for pair in study.compare]
            sides = zip(("first", "second"), zip(*pairs, strict=True), strict=True)
            own = {side: tuple(f"{p.metrics}.json" for p in placed) for side, placed in sides}
            yield _task(outline, f"{name}-paired", own, (PAIRS,), of=name)
        if study.probe:
            own = {"probes": tuple(map(probe_file, branches))}
            yield _task(outline, f"{name}-probe", own, (PROBES,), of=name)
    if asked := asking(outline):
        inputs = {
            "errors": tuple(map(errors_file, asked)),
            "metrics": tuple(f"{p.metrics}.json" for b in asked for p in pair(b)),
        }
        yield _task(outline, "targets", inputs, (TARGETS,))


def _at(branch: Branch, path: str) -> Placed:
    """The cell of a path."""
    return next(p for p in branch.cells if p.cell.path == path)


def _task(
    outline: Outline,
    name: str,
    inputs: dict,
    modules: tuple[str, ...],
    study: Study | None = None,
    of: str = "",
) -> Task:
    """A table of a study, or another `of` a study or of none."""
    of = name if study else of
    studies = [outline.preset.studies[of]] if of else [b.study for b in asking(outline)]
    kinds = {one.kind for one in studies}
    return Task(
        "table",
        {"table": name},
        TableStage.of(outline.preset, name, of or None, study=study, form=modules[0]),
        inputs=inputs,
        outputs={e: outline.layout.table(name, e) for e in ENDINGS},
        modules=tuple(filter(None, modules)),
        entries=shown_entries(kinds),  # labels, order and aliases
        part=f"table-{name}",
        study=of,
        reported=True,
        local=True,
        labels={"table": name.removeprefix("table")},
        caption="targets" if name == "targets" else "table",
    )


def pair(branch: Branch) -> tuple[Placed, ...]:
    """The cells of one NSGF with exact and one with GeomLoss targets, on equal budgets; or none."""
    flows = [p for p in branch.cells if p.cell.method == "nsgf"]
    for exact in (p for p in flows if p.cell.flow.backend == "newton"):
        for other in (p for p in flows if p.cell.flow.backend == "geomloss"):
            one, two = (Trajectories(flow=p.cell.flow, pool=p.cell.pool) for p in (exact, other))
            if one.equals_but_for_solver(two):
                return exact, other
    return ()


def make(settings: TableStage, unit, files) -> None:
    """Write a table in all its forms."""
    from nsgf.report import render

    page = _page_of_study if settings.study else module_of(settings.form).page
    render.write_forms(files.outputs, page(settings, files.inputs))


def _page_of_study(settings: TableStage, inputs):
    """From the `metrics` of all cells, the `references` of data sets and what is `published`."""
    from nsgf.artifact import read_json
    from nsgf.config.cells import cells
    from nsgf.config.published import published_of
    from nsgf.report import tables
    from nsgf.report.render import Page

    name, study = settings.name, settings.study
    form = module_of(kind_of(study.kind).table)
    published = published_of(inputs.get("published"))
    each = [(d, cell) for d in study.datasets for cell in cells(study)]
    measured = [
        read_json(file) | {"cell": cell, "dataset": dataset}
        for file, (dataset, cell) in zip(inputs["metrics"], each, strict=True)
    ]
    found = form.table(name, measured, published, study, settings.judging.confidence)
    shown = form.display(found, tables.labels_of(study, published))
    if not study.paper:
        shown = shown.drop(columns=["published", "verdict"], errors="ignore")
    printed = published.tables.get(name)
    heading = f"{_heading(printed, found)} - " if printed else ""
    title = f"{name.replace('table', 'Table ')}: {heading}{settings.title}"
    references = dict(zip(study.datasets, map(read_json, inputs["references"]), strict=True))
    return Page(title, _notes(settings, published, measured, references), found, shown)


def _heading(printed, found) -> str:
    """The printed table's title; where nothing of ours is measured like it, that is said."""
    run = found[found["mean"].notna()]
    alike = run["metric"].isin(printed.metrics()) & run["n_samples"].eq(printed.n_samples)
    return printed.title if alike.any() else f"other measures than in print ({printed.title})"


def _notes(settings: TableStage, published, measured, references) -> list[str]:
    """What a reader must know before the numbers."""
    study, percent = settings.study, round(100 * settings.judging.confidence)
    blocks = getattr(study.metrics, "blocks", 1)
    sets = parts = f"{study.sample_seeds} sampling seeds"
    if study.sample_seeds == 1 and blocks > 1:
        parts = f"{blocks} parts of a set of samples (debiased distance: of all of it)"
    over = (
        f"{study.train_seeds} training seeds, each the mean of {parts}"
        if study.train_seeds > 1
        else f"{sets} of one training"
    )
    found = [
        *settings.reduced,
        f"Intervals: {percent} % Student-t over {over}.",
        "Floor: the same metric for as many points of the target law itself.",
    ]
    if settings.name in published.tables:
        found.append(f"Published: {published.source}. {published.tables[settings.name].why}")
    kind = kind_of(study.kind)
    for dataset in study.datasets if kind.notes else ():
        mine = [body for body in measured if body["dataset"] == dataset]
        found += module_of(kind.notes).notes(study, dataset, mine, references[dataset])
    return found

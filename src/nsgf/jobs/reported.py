"""Jobs that a complete run ends with: tables, figures and claims."""

from nsgf.codehash import stage_code
from nsgf.config.preset import Preset
from nsgf.jobs.branch import filled
from nsgf.jobs.job import Job
from nsgf.jobs.timed import claim_inputs
from nsgf.layout import (
    PUBLISHED,
    Layout,
    cells,
    figure_inputs,
    sample_units,
    target_inputs,
    with_sidecars,
)


def table(layout: Layout, preset: Preset, name: str) -> Job:
    """The table of the study `name`."""
    study, whole = preset.studies[name], layout.config("preset")
    metrics = [
        layout.metrics(dataset, cell).format(**unit)
        for dataset in study.datasets
        for cell in cells(study)
        for unit in sample_units(study, dataset)
    ]
    references = [
        path
        for dataset in study.datasets
        for path in filled([layout.reference(dataset)], sample_units(study, dataset))
    ]
    return Job(
        "table",
        f"table-{name}",
        name,
        inputs=(whole, PUBLISHED, *metrics, *references),
        outputs=with_sidecars(layout.table(name, e) for e in ("csv", "md", "html")),
        arguments=f"--preset {whole} --study {name}",
        code=stage_code("table"),
        config=(whole, preset),
        labels={"table": name.removeprefix("table")},
        caption="table",
    )


def targets_table(layout: Layout, preset: Preset) -> Job:
    """How wrong training targets were, over all studies that ask."""
    whole = layout.config("preset")
    return Job(
        "targets-table",
        "targets-table",
        "",
        inputs=(whole, *target_inputs(layout, preset)),
        outputs=with_sidecars(layout.table("targets", e) for e in ("csv", "md", "html")),
        arguments=f"--preset {whole}",
        code=stage_code("targets-table"),
        labels={"table": "targets"},
        caption="targets",
    )


def figure(layout: Layout, preset: Preset, name: str) -> Job:
    """The figure `name`."""
    shown, whole = preset.figures[name], layout.config("preset")
    drawn = figure_inputs(layout, preset.studies.get(shown.study), shown)
    return Job(
        "figure",
        f"figure-{name}",
        shown.study or "",
        inputs=(whole, *dict.fromkeys(f for p in drawn for f in (p, p.replace(".npz", ".json")))),
        outputs=with_sidecars(layout.figure(name, e) for e in ("pdf", "png")),
        arguments=f"--preset {whole} --figure {name}",
        code=stage_code("figure", figure=shown.kind),
        labels={"figure": name.removeprefix("figure"), "shows": ", ".join(shown.datasets)},
        caption="targets" if shown.kind == "targets" else "figure",
    )


def claims(layout: Layout, preset: Preset) -> Job:
    """The verdicts on the paper's claims."""
    whole = layout.config("preset")
    return Job(
        "claims",
        "claims",
        "",
        inputs=(whole, *claim_inputs(layout, preset)),
        outputs=with_sidecars(layout.claims(e) for e in ("csv", "md", "html")),
        arguments=f"--preset {whole}",
        code=stage_code("claims"),
        labels={"table": "claims"},
        caption="claims",
    )

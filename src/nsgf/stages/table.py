"""`nsgf table`: a study's table as CSV, Markdown and HTML."""

from pathlib import Path

from nsgf.artifact import read_json, record, write_text
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.config.published import Published
from nsgf.layout import PUBLISHED, Layout, cells, sample_units
from nsgf.registry import DATASETS, lookup
from nsgf.report import render, tables


def run(preset: Path, study: str) -> None:
    """Write results/<preset>/tables/<study>.{csv,md,html}."""
    whole, published = load(preset, Preset), load(PUBLISHED, Published)
    settings = lookup(whole.studies, study, "study")
    layout = Layout(f"results/{whole.name}")
    measured, inputs = [], [Path(PUBLISHED)]
    for dataset in settings.datasets:
        for cell in cells(settings):
            for unit in sample_units(settings, dataset):
                path = Path(layout.metrics(dataset, cell).format(**unit))
                body = read_json(path)
                body["unit"] |= {"method": cell.method, "nfe": cell.nfe}
                measured.append(body)
                inputs.append(path)
    found = tables.table(study, measured, published, whole)
    shown = render.display(found, published)
    title = f"{study.replace('table', 'Table ')}: {published.tables[study].title} - {whole.title}"
    notes = _notes(whole, published, study, measured, layout)
    files = {
        "csv": render.csv(found),
        "md": render.markdown(title, notes, shown),
        "html": render.page(title, notes, shown),
    }
    paths = {Path(layout.table(study, ending)): text for ending, text in files.items()}
    for path, text in paths.items():
        write_text(path, text)
    record(
        *paths,
        stage="table",
        config=whole.model_dump(mode="json"),
        seed=whole.seed,
        code=stage_code("table"),
        inputs=inputs,
    )


def _notes(preset: Preset, published: Published, study: str, measured, layout) -> list[str]:
    """What a reader must know before the numbers."""
    settings = preset.studies[study]
    percent = round(100 * preset.judging.confidence)
    over = (
        f"{settings.train_seeds} training seeds, each the mean of {settings.sample_seeds} sampling"
        " seeds"
        if settings.train_seeds > 1
        else f"{settings.sample_seeds} sampling seeds of one training"
    )
    notes = [
        *preset.reduced,
        f"Intervals: {percent} % Student-t over {over}.",
        "Floor: the same metric for as many points of the target law itself.",
        f"Published: {published.source}. {published.tables[study].why}",
    ]
    for dataset in settings.datasets:
        if DATASETS[dataset].is_image:
            notes += _image_notes(settings, dataset, measured, layout)
        else:
            notes.append(_sampler_note(settings, dataset, layout))
    return notes


def _sampler_note(settings, dataset: str, layout: Layout) -> str:
    """W2 between two batches of the reference sampler, which need not be independent draws."""
    template = layout.reference(dataset)
    found = [
        read_json(Path(template.format(**u)))["sampler_floor"]
        for u in sample_units(settings, dataset)
    ]
    return (
        f"{DATASETS[dataset].label}: W2 between two batches of the reference sampler itself is"
        f" {sum(found) / len(found):.3f} on average."
    )


def _image_notes(settings, dataset: str, measured, layout: Layout) -> list[str]:
    reference = read_json(Path(layout.reference(dataset)))
    notes, label = [], DATASETS[dataset].label
    if "inception" in settings.metrics.features and "inception" not in reference["spaces"]:
        notes.append(
            f"{label}: no FID and no IS: the Inception weights are not here. fd_* and kid_* are"
            " other distances under their own names and are not comparable with a printed FID."
        )
    accuracy = reference["facts"].get("classifier_accuracy")
    if accuracy is not None:
        notes.append(f"{label}: the classifier's test accuracy is {100 * accuracy:.2f} %.")
    for cell in cells(settings):
        mine = [b for b in measured if b["unit"]["method"] == cell.method and b["facts"]]
        if mine:
            confident = sum(b["facts"]["confident_share"] for b in mine) / len(mine)
            rarest = min(b["facts"]["rarest_class_share"] for b in mine)
            notes.append(
                f"{label}, {cell.method}: the classifier gives some class p > .9 on"
                f" {100 * confident:.1f} % of samples; the rarest class has {100 * rarest:.1f} %."
            )
    return notes

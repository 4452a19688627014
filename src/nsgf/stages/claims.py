"""`nsgf claims`: the paper's six claims, judged on this run's tables, paths and timings."""

import csv
from pathlib import Path

import pandas as pd

from nsgf.artifact import SIDECAR, read_json, read_npz, record, write_text
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.preset import Preset, Study
from nsgf.config.published import Published
from nsgf.jobs import claim_inputs, image_study, timed_jobs
from nsgf.layout import PUBLISHED, Cell, Layout, sample_units
from nsgf.report import claims, render


def run(preset: Path) -> None:
    """Write results/<preset>/timings/claims.{csv,md,html}."""
    whole, published = load(preset, Preset), load(PUBLISHED, Published)
    layout, reduced = Layout(f"results/{whole.name}"), bool(whole.reduced)
    tables = {n: pd.read_csv(layout.table(n)) for n in whole.studies}
    study = image_study(whole)
    seconds, resumed = _seconds(layout, whole), _resumed(whole)
    # A benchmark file times the last attempt only, so that a resumed job looks cheap.
    no_verdict = reduced or resumed
    findings = [
        claims.lowest_w2(tables.get("table1"), published),
        claims.early_motion(_shares(layout, whole.studies.get("table1")), published),
        claims.handover(_costs(layout, study), reduced, published),
        claims.image_rank(tables.get("table2"), published),
        claims.training_cost(seconds, no_verdict, published),
        claims.predictor_time(
            seconds, study.networks["phase"].iterations if study else 1, no_verdict, published
        ),
    ]
    found = claims.frame(findings).astype(str)
    title = f"Claims of the paper - {whole.title}"
    notes = ["Times are of this machine and run; they are not part of any table."]
    if resumed:
        notes.append("A job was resumed after a kill: its time is that of its last attempt.")
    files = {
        "csv": found.to_csv(index=False),
        "md": render.markdown(title, notes, found),
        "html": render.page(title, notes, found),
    }
    paths = {Path(layout.claims(ending)): text for ending, text in files.items()}
    for path, text in paths.items():
        write_text(path, text)
    record(
        *paths,
        stage="claims",
        config=whole.model_dump(mode="json"),
        seed=whole.seed,
        code=stage_code("claims"),
        inputs=[Path(p) for p in claim_inputs(layout, whole)],
    )


def _resumed(preset: Preset) -> bool:
    """Whether a job whose time counts went on after a kill."""
    made = [Path(p) for _, job, _ in timed_jobs(preset) for p in job.outputs]
    return any(read_json(p)["facts"].get("resumed_at") for p in made if p.name.endswith(SIDECAR))


def _shares(layout: Layout, study: Study | None) -> dict:
    """First-half shares of the 2-D paths: data set -> method -> one value a training seed."""
    found: dict = {}
    for dataset in study.datasets if study else ():
        for method in {"nsgf", "fm"} & set(study.methods):
            cell = Cell(method, min(study.nfe))
            paths = [
                Path(layout.samples(dataset, cell, ".npz").format(**u))
                for u in sample_units(study, dataset)
                if u["sample"] == 0
            ]
            if all(p.exists() for p in paths):
                shares = [claims.first_half_share(read_npz(p, "path")) for p in paths]
                found.setdefault(dataset, {})[method] = shares
    return found


def _costs(layout: Layout, study: Study | None) -> list[dict]:
    if study is None or "nsgf++" not in study.methods:
        return []
    template = layout.samples(study.datasets[0], Cell("nsgf++", None), ".json")
    units = sample_units(study, study.datasets[0])
    return [read_json(Path(template.format(**u))) for u in units]


def _seconds(layout: Layout, preset: Preset) -> dict[str, float]:
    """Seconds of one training seed of the image study, by part, from the benchmark files."""
    found: dict[str, float] = {}
    for part, job, seeds in timed_jobs(preset):
        with Path(layout.timing(job.name)).open() as handle:
            spent = sum(float(row["s"]) for row in csv.DictReader(handle, delimiter="\t"))
        found[part] = found.get(part, 0.0) + spent / seeds
    if "velocity" in found:
        found.setdefault("pool", 0.0)  # a streaming pool's time is in its network's
    return found

"""`nsgf targets-table`: how wrong training targets were and what that changed, over all studies."""

from collections.abc import Sequence
from pathlib import Path

from nsgf.artifact import read_json, record, write_text
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.preset import Preset, Study
from nsgf.errors import NsgfError
from nsgf.layout import Layout, sample_units, target_inputs, target_pair, target_studies
from nsgf.registry import METHODS
from nsgf.report import render, target_tables


def run(preset: Path) -> None:
    """Write results/<preset>/tables/targets.{csv,md,html}.

    Raises:
        NsgfError: no study of the preset has targets, or an input is missing or damaged.
    """
    whole = load(preset, Preset)
    layout, studies = Layout(f"results/{whole.name}"), target_studies(whole)
    if not studies:
        raise NsgfError("no study of this preset has targets", "give one: targets: {flow: t10}")
    measured, trained = [], {}
    for study in studies:
        for dataset in study.datasets:
            measured.append(read_json(Path(layout.targets(dataset))))
            trained[dataset] = _trained(layout, study, dataset)
    found = target_tables.table(measured, trained, whole.judging.confidence)
    shown = target_tables.display(found)
    title = f"How wrong the training targets were - {whole.title}"
    notes = _notes(whole, studies, measured[0]["protocol"])
    files = {
        "csv": render.csv(found),
        "md": render.markdown(title, notes, shown),
        "html": render.page(title, notes, shown),
    }
    paths = {Path(layout.table("targets", ending)): text for ending, text in files.items()}
    for path, text in paths.items():
        write_text(path, text)
    record(
        *paths,
        stage="targets-table",
        config=whole.model_dump(mode="json"),
        seed=whole.seed,
        code=stage_code("targets-table"),
        inputs=[Path(p) for p in target_inputs(layout, whole)],
    )


def _trained(layout: Layout, study: Study, dataset: str) -> dict[str, list[dict]]:
    """Metrics of the NSGFs of `target_pair`, by the setting that made their targets."""
    found = {}
    for cell in target_pair(study) or ():
        flow = study.trajectories[study.flow_name(cell.nfe, METHODS[cell.method].backend)].flow
        annealed = flow.backend != "newton"
        setting = {"backend": flow.backend, "scaling": flow.scaling if annealed else None}
        bodies = []
        for unit in sample_units(study, dataset):
            body = read_json(Path(layout.metrics(dataset, cell).format(**unit)))
            body["unit"] |= {"method": cell.method, "nfe": cell.nfe}
            bodies.append(body)
        found[target_tables.key_of(setting)] = bodies
    return found


def _notes(preset: Preset, studies: Sequence[Study], protocol: str) -> list[str]:
    """What a reader must know before the numbers."""
    percent = round(100 * preset.judging.confidence)
    problems = sorted({study.targets.problems for study in studies})
    counted = " or ".join(map(str, problems))
    notes = [
        *preset.reduced,
        "Targets are the velocities that a trajectory pool stores. Velocity error: |v - v*| / |v*|"
        f" over all particles; {protocol}.",
        "Shared by all particles: |mean(v - v*)| over the root mean square of v*; length: v's along"
        " v*, 1 if exact. Both at the first step, where velocities are largest.",
        f"Errors: {percent} % Student-t intervals over {counted} minibatch problems.",
    ]
    if any(map(target_pair, studies)):
        seeds = next(s for s in studies if target_pair(s))
        notes.append(
            f"W2: {percent} % Student-t over {seeds.train_seeds} training seeds, each the mean of"
            f" {seeds.sample_seeds} sampling seeds. Both NSGFs have the same problems, network,"
            " steps, noise and test points, so that their difference is taken seed by seed."
        )
    return notes

"""All jobs of a preset, what a complete run ends with, and the settings that the jobs read."""

from pathlib import Path

from nsgf.artifact import json_text, read_json, write_text
from nsgf.config.preset import Preset
from nsgf.jobs import measured, reported, sampled, trained
from nsgf.jobs.branch import Branch
from nsgf.jobs.fetched import fetches
from nsgf.jobs.job import REPORTED, Job
from nsgf.layout import INCEPTION, Layout, cells, target_studies
from nsgf.metrics.weights import inception_file
from nsgf.registry import lookup


def jobs(preset: Preset) -> list[Job]:
    """All jobs of a preset."""
    layout = Layout(f"results/{preset.name}")
    made = [*fetches(preset)]
    for name, study in preset.studies.items():
        for dataset in study.datasets:
            made += _branch_jobs(Branch(layout, preset.seed, name, study, dataset))
        made.append(reported.table(layout, preset, name))
    if target_studies(preset):
        made.append(reported.targets_table(layout, preset))
    made += [reported.figure(layout, preset, name) for name in preset.figures]
    return [*made, reported.claims(layout, preset)]


def targets(preset: Preset, only: str | None = None, complete: bool = False) -> list[str]:
    """What a run ends with; `only` names one study, `complete` asks for all that stays.

    Raises:
        NsgfError: the preset has no study of that name.
    """
    if only:
        lookup(preset.studies, only, f"study of preset '{preset.name}'")
    last = [j for j in jobs(preset) if complete or j.stage in REPORTED]
    return [p for j in last if only is None or j.study == only for p in j.kept]


def write_configs(preset: Preset) -> None:
    """Write the settings of every stage; a file whose content is the same is left alone.

    An answer about the Inception weights that no longer holds is removed, so that it is asked
    again: put the weights in place and FID appears.
    """
    answer = Path(INCEPTION)
    if answer.exists() and read_json(answer)["available"] != (inception_file() is not None):
        answer.unlink()
    for path, model in {j.config[0]: j.config[1] for j in jobs(preset) if j.config}.items():
        settings = model.model_dump(mode="json")
        text = json_text(settings)
        if not Path(path).exists() or Path(path).read_text() != text:
            write_text(Path(path), text)


def _branch_jobs(branch: Branch) -> list[Job]:
    made = [*trained.pools(branch), *trained.trainings(branch)]
    made += [*measured.references(branch), *measured.target_errors(branch)]
    for cell in cells(branch.study):
        made += [*sampled.samplings(branch, cell), *measured.evaluations(branch, cell)]
    return made

"""What the claims are judged on: tables, paths, and the times of some jobs."""

from nsgf.artifact import SIDECAR
from nsgf.config.preset import Preset, Study
from nsgf.jobs.branch import Branch
from nsgf.jobs.job import Job
from nsgf.jobs.trained import pools, trainings
from nsgf.layout import PUBLISHED, Cell, Layout, cells, sample_units


def image_study(preset: Preset) -> Study | None:
    """The study whose costs claims 5 and 6 are about: the first one with NSGF++."""
    return next((s for s in preset.studies.values() if "nsgf++" in s.methods), None)


def timed_jobs(preset: Preset) -> list[tuple[str, Job, int]]:
    """Jobs whose time claims 5 and 6 add up: (pool or network, job, training seeds)."""
    study = image_study(preset)
    if study is None:
        return []
    layout = Layout(f"results/{preset.name}")
    name = next(n for n, s in preset.studies.items() if s is study)
    alone = study.model_copy(update={"methods": ("nsgf++",)})  # its own pools and networks
    branch = Branch(layout, preset.seed, name, alone, study.datasets[0])
    found = [("pool", job, study.train_seeds) for job in pools(branch)]
    return found + [(job.config[1].network, job, study.train_seeds) for job in trainings(branch)]


def claim_inputs(layout: Layout, preset: Preset) -> list[str]:
    """Tables, timings and paths that the claims are judged on.

    The provenance of timed jobs tells whether they were resumed after a kill.
    """
    planar, study = preset.studies.get("table1"), image_study(preset)
    found = [PUBLISHED, *(layout.table(name) for name in preset.studies)]
    for _, job, _ in timed_jobs(preset):
        found += [layout.timing(job.name), *(p for p in job.outputs if p.endswith(SIDECAR))]
    if planar:
        found += [
            layout.samples(d, c, ".npz").format(**u)
            for d in planar.datasets
            for c in cells(planar)
            if c.method in ("nsgf", "fm") and c.nfe == min(planar.nfe)
            for u in sample_units(planar, d)
            if u["sample"] == 0
        ]
    if study:
        template = layout.samples(study.datasets[0], Cell("nsgf++", None), ".json")
        found += [template.format(**u) for u in sample_units(study, study.datasets[0])]
    return found

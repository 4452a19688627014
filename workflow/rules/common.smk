"""The preset, its jobs and what the rules share."""

import os

from snakemake.exceptions import WorkflowError
from snakemake.io import report as flag_for_report
from snakemake.resources import Resources
from snakemake.utils import validate

from nsgf.config.base import load, read_yaml
from nsgf.config.cluster import gres_of
from nsgf.config.preset import Preset
from nsgf.errors import NsgfError
from nsgf.engine.dag import jobs, snapshot_file, targets, write_snapshot
from nsgf.lifeline import PARENT
from nsgf.ops.plan.total import store as store_forecast

# Jobs are replaced by their command (exec), so that a killed Snakemake takes them along; a job that
# had not begun by then knows by the number that its parent is gone.
shell.prefix(f"{PARENT}={os.getpid()} exec ")

PRESET_FILE = config.get("preset_file", f"config/{config.get('preset', 'quick')}.yaml")

CLUSTER = config.get("cluster") or {}

try:
    GRES = gres_of(CLUSTER, ", ".join(map(str, workflow.configfiles)) or "--config")
    PRESET = load(PRESET_FILE, Preset).part(config.get("only"))
    validate(read_yaml(PRESET_FILE), "../schemas/preset.schema.json", set_default=False)
    JOBS = jobs(PRESET)
    TARGETS = targets(PRESET, bool(config.get("complete")))
    write_snapshot(PRESET)
except NsgfError as error:
    raise WorkflowError(str(error))


def by_job(asked):
    """`--set-resources` of stages as that of their jobs; what is asked for a job itself goes first.

    A stage is named as in a preset's `resources` (pool, train, ...), or as it is called itself.
    """
    found = dict(asked)
    for job in JOBS:
        names = (job.stage, job.stage.removeprefix("build-"), job.name)
        if mine := [asked[name] for name in names if name in asked]:
            found[job.name] = Resources({})
            for resources in mine:
                found[job.name].update(Resources.from_mapping(resources))
    return found


workflow.resource_settings.overwrite_resources = by_job(
    workflow.resource_settings.overwrite_resources
)

LOGS = f"logs/{PRESET.name}"
TIMINGS = f"results/{PRESET.name}/timings"
# What jobs read: the preset as it is now, under a name that stays.
SNAPSHOT = str(snapshot_file(PRESET))
ENVIRONMENT = "../../environment.yml"
CATEGORIES = {
    "table": "Tables",
    "figure": "Figures",
    "claims": "Claims",
}


def growing(amount):
    """Memory or run time that grows with the attempt; without retries there is one."""
    return lambda wildcards, attempt: amount * attempt


def on_cluster(job):
    """What a SLURM cluster must be told beside memory and time; see profiles/slurm/cluster.yaml."""
    gpus = job.resources.gpu
    by_name = gpus and GRES
    asked = {
        "slurm_account": CLUSTER.get("account"),
        "slurm_partition": CLUSTER.get("gpu_partition" if gpus else "partition"),
        "gres": f"{GRES}:{gpus}" if by_name else None,
        "gpu": None if by_name else gpus,
    }
    return {name: value for name, value in asked.items() if value is not None}


def in_report(job):
    """Outputs of a job that the HTML report shows, flagged for it."""
    return [
        flag_for_report(
            path,
            caption=f"../report/{job.caption}.rst",
            category=CATEGORIES[job.stage],
            labels=job.labels | {"format": path.rsplit(".", 1)[1]},
        )
        for path in job.shown
    ]

"""The jobs of a preset, from data to report: each becomes one Snakemake rule.

A job is one process of one stage over some units (data set, seed, ...). How many units share a job
is `resources.units_per_job`; the files, and their bytes, do not depend on it.
"""

from nsgf.jobs.job import REPORTED, Job
from nsgf.jobs.preset import jobs, targets, write_configs
from nsgf.jobs.timed import claim_inputs, image_study, timed_jobs
from nsgf.jobs.trained import networks_of

__all__ = [
    "REPORTED",
    "Job",
    "claim_inputs",
    "image_study",
    "jobs",
    "networks_of",
    "targets",
    "timed_jobs",
    "write_configs",
]

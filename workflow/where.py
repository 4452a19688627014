"""Where jobs run, and what they may use there: this machine, or SLURM as a profile says."""

from pathlib import Path

import slurm_jobs

from nsgf.config.base import read_yaml
from nsgf.config.cluster import gres_of
from nsgf.errors import NsgfError
from nsgf.ops.plan.schedule import limits_of, profile_folder

SLURM_RUN = Path(".snakemake/slurm-run")  # there while SLURM may hold jobs of this folder


class Where:
    """Where jobs run: on this machine, or on SLURM as a profile says.

    Args:
        profile: a folder in profiles/, or the path of one.
        cores: cores of this machine that jobs may use, or `all`.

    Raises:
        NsgfError: no profile has that name, its cluster's settings are not possible, or `cores` is
            no number of cores.
    """

    def __init__(self, profile: str, cores: str):
        self.folder = profile_folder(profile)
        settings = read_yaml(self.folder / "config.yaml") or {}
        self.slurm = settings.get("executor") == "slurm"
        self._cores = _checked_cores(cores)
        if self.slurm:
            self._check_cluster()

    def words(self, dry_run: bool) -> list[str]:
        """What Snakemake is told."""
        words = ["--workflow-profile", str(self.folder)]
        if self.slurm:
            return words
        return [*words, "--cores", self._cores, *([] if dry_run else _local_limits())]

    def __enter__(self):
        """Cancel what a killed run left on SLURM, so that no job runs twice at a time."""
        if (self.slurm or SLURM_RUN.exists()) and (count := slurm_jobs.cancel_leftovers()):
            left = f"{count} SLURM job{'s' if count > 1 else ''}"
            print(f"Cancelled {left} of an earlier run in this folder.", flush=True)
        SLURM_RUN.unlink(missing_ok=True)
        if self.slurm:
            SLURM_RUN.touch()
        return self

    def __exit__(self, *_) -> None:
        """Nothing stays on SLURM of a run that was interrupted, or whose Snakemake was killed."""
        if self.slurm:
            slurm_jobs.cancel_leftovers()
            SLURM_RUN.unlink()

    def _check_cluster(self) -> None:
        """As the workflow does, but before anything starts and as one message."""
        file = self.folder / slurm_jobs.SETTINGS
        if file.exists():
            gres_of((read_yaml(file) or {}).get("cluster") or {}, file)


def _checked_cores(cores: str) -> str:
    """Snakemake would wait forever with 0 cores, and explain in its own words what is no number."""
    if cores == "all" or (cores.isdecimal() and int(cores) > 0):
        return cores
    raise NsgfError(
        f"'{cores}' is no number of cores (CORES of make, --cores)",
        "give a whole number of 1 or more, or all",
    )


def _local_limits() -> list[str]:
    """Memory and GPUs that local jobs share, so that no more start than fit.

    Without a GPU such jobs run on the CPU, one at a time.
    """
    limits = limits_of(None, None)
    return ["--resources", f"mem_mb={int(limits.mem_mb)}", f"gpu={limits.gpu}"]

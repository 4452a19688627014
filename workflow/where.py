"""Where jobs run, and what they may use there: this machine, or SLURM as a profile says.

Snakemake's executor gives each SLURM job the folder of the run and the comment `rule_<name>`, and
one run at a time works in a folder: jobs with this folder and such a comment are ours.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from nsgf.config.base import read_yaml
from nsgf.config.cluster import gres_of
from nsgf.errors import NsgfError
from nsgf.ops.plan.forecast import JobForecast
from nsgf.ops.plan.schedule import limits_of, profile_folder, whole_run
from nsgf.ops.text import duration

SLURM_RUN = Path(".snakemake/slurm-run")  # there while SLURM may hold jobs of this folder
LONG = 60  # seconds of a run from which on its forecast is told
PATIENCE = 120  # seconds that cancelled jobs may take to end
SETTINGS = "cluster.yaml"  # in a profile: what differs between clusters


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
        self._cores, cluster = cores, self.folder / SETTINGS
        # With 0 cores Snakemake would wait forever; what is no number it explains in its own words.
        if cores != "all" and not (cores.isdecimal() and int(cores)):
            raise NsgfError(
                f"'{cores}' is no number of cores (CORES of make, --cores)",
                "give a whole number of 1 or more, or all",
            )
        if self.slurm and cluster.exists():
            # As the workflow does, but before anything starts and as one message.
            gres_of((read_yaml(cluster) or {}).get("cluster") or {}, cluster)

    def words(self, dry_run: bool) -> list[str]:
        """What Snakemake is told; local jobs share memory and GPUs, so that all that start fit.

        Without a GPU such jobs run on the CPU, one at a time.
        """
        words = ["--workflow-profile", str(self.folder)]
        words += [] if self.slurm else ["--cores", self._cores]
        if self.slurm or dry_run:
            return words
        limits = limits_of(None, None)
        return [*words, "--resources", f"mem_mb={int(limits.mem_mb)}", f"gpu={limits.gpu}"]

    def say_how_long(self, planned: Sequence[JobForecast], preset: str) -> None:
        """A line on what jobs here will take together, where that is more than LONG."""
        cores = int(self._cores) if self._cores.isdecimal() else None
        each = [(p.job, p.seconds, p.memory_mb) for p in planned]
        wall, _ = whole_run(each, limits_of(None, cores))
        if wall > LONG:
            follow = f"{os.path.relpath(Path(sys.executable).parent)}/nsgf watch --preset {preset}"
            print(f"About {duration(wall)} by forecast. To follow the jobs: {follow}", flush=True)

    def __enter__(self):
        """Cancel what a killed run left on SLURM, so that no job runs twice at a time."""
        if (self.slurm or SLURM_RUN.exists()) and (count := _cancel_leftovers()):
            left = f"{count} SLURM job{'s' if count > 1 else ''}"
            print(f"Cancelled {left} of an earlier run in this folder.", flush=True)
        SLURM_RUN.unlink(missing_ok=True)
        if self.slurm:
            SLURM_RUN.touch()
        return self

    def __exit__(self, *_) -> None:
        """Nothing stays on SLURM of a run that was interrupted, or whose Snakemake was killed."""
        if self.slurm:
            _cancel_leftovers()
            SLURM_RUN.unlink()


def _cancel_leftovers() -> int:
    """Cancel this folder's jobs and wait for their end; returns how many there were.

    Raises:
        NsgfError: SLURM does not answer, or a job does not end.
    """
    left, deadline = _ours(), time.monotonic() + PATIENCE
    if left:
        _ask("scancel", *left)
    while left and (still := _ours()):
        if time.monotonic() > deadline:
            raise NsgfError(
                f"SLURM jobs of an earlier run do not end: {', '.join(still)}",
                "see squeue --me; wait for their end, then run the same command again",
            )
        time.sleep(0.5)
    return len(left)


def _ours() -> list[str]:
    """Jobs of this folder that wait, run or end."""
    lines = _ask("squeue", "--me", "--noheader", "--format", "%i|%Z|%k").splitlines()
    rows = [line.split("|", 2) for line in lines]
    here = str(Path.cwd())
    return [job for job, folder, comment in rows if folder == here and comment.startswith("rule_")]


def _ask(*command: str) -> str:
    try:
        result = subprocess.run(command, text=True, capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip()
        raise NsgfError(
            f"SLURM does not answer {command[0]}: {said}",
            "run this where sbatch and squeue work, such as a login node",
        ) from error
    return result.stdout

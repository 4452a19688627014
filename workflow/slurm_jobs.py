"""What the driver knows of SLURM: jobs that a killed run left behind, and why a job ended.

Snakemake's executor gives each job the folder of the run and the comment `rule_<name>`, and one
run at a time works in a folder: jobs with this folder and such a comment are ours.
"""

import subprocess
import time
from pathlib import Path

from nsgf.errors import NsgfError
from nsgf.ops.watch.events import ENDED, REFUSED

PATIENCE = 120  # seconds that cancelled jobs may take to end
SETTINGS = "cluster.yaml"  # in a profile: what differs between clusters
# Words in a job's SLURM log; without cgroups its state says no more than FAILED.
OVER_MEMORY = ("oom", "Exceeded job memory limit")
CAUSES = {
    "OUT_OF_MEMORY": (
        "SLURM killed it because it used more memory than it asked for",
        "raise resources.<stage>.mem_mb of its study in the preset",
    ),
    "TIMEOUT": (
        "SLURM stopped it at its time limit",
        "run the same command again, it goes on from its last checkpoint; or raise"
        " resources.<stage>.runtime_min of its study in the preset",
    ),
    "CANCELLED": ("it was cancelled (scancel)", "run the same command again"),
    "PREEMPTED": ("it had to make room for another job", "run the same command again"),
    "NODE_FAIL": ("its node failed", "run the same command again"),
}


def cancel_leftovers() -> int:
    """Cancel this folder's jobs and wait for their end; returns how many there were.

    Raises:
        NsgfError: SLURM does not answer, or a job does not end.
    """
    left = _ours()
    if left:
        _ask("scancel", *left)
    deadline = time.monotonic() + PATIENCE
    while left and _ours():
        if time.monotonic() > deadline:
            raise NsgfError(
                f"SLURM jobs of an earlier run do not end: {', '.join(_ours())}",
                "see squeue --me; wait for their end, then run the same command again",
            )
        time.sleep(0.5)
    return len(left)


def explain(log: str, profile: Path) -> dict[str, str]:
    """Why SLURM ended jobs, or refused them, by rule; a job that failed by itself is left out.

    Args:
        log: text of Snakemake's log.
        profile: folder of the profile, for advice.
    """
    found = {}
    for rule, job, state in ENDED.findall(log):
        path = Path(f".snakemake/slurm_logs/rule_{rule}/{job}.log")
        text = path.read_text(errors="replace") if path.exists() else ""
        if state == "FAILED" and any(word in text for word in OVER_MEMORY):
            state = "OUT_OF_MEMORY"
        found.pop(rule, None)  # the last attempt counts
        if state in CAUSES:
            what, mend = CAUSES[state]
            found[rule] = f"{what} (SLURM job {job}, {state}, log {path})\n  mend  {mend}"
    for rule, message in REFUSED.findall(log):
        mend = f"see account, partition and gres in '{profile / SETTINGS}'"
        said = "; ".join(line.removeprefix("sbatch: error: ") for line in message.splitlines())
        found[rule] = f"SLURM refused it: {said}\n  mend  {mend}"
    return found


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

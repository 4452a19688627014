"""Why a run failed: each job's own message, or what SLURM did to it."""

import sys
from pathlib import Path

from where import SETTINGS, Where

from nsgf.ops.watch.events import ENDED, REFUSED, read_events

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


def explain(log: Path, where: Where) -> None:
    """Print each failed job's own message, the last lines of its log, or what SLURM did to it.

    Args:
        log: Snakemake's log; those of the jobs lie beside it.
        where: where they ran.
    """
    text = log.read_text()
    failed = [name for name, well in read_events(text).ended.items() if not well]
    by_slurm = _by_slurm(text, where.folder) if where.slurm else {}
    for name in failed:
        path = log.with_name(f"{name}.log")
        message = by_slurm.get(name) or _message(path.read_text() if path.exists() else "")
        print(f"\njob {name} failed ({path}):\n{message}", file=sys.stderr)
    if not failed:
        print(f"\nSnakemake failed: see the end of {log}", file=sys.stderr)
        print("\n".join(text.splitlines()[-12:]), file=sys.stderr)
    print("\nWhat is done is kept: run the same command to go on.", file=sys.stderr)


def _by_slurm(log: str, profile: Path) -> dict[str, str]:
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


def _message(text: str) -> str:
    """What a job's log says of its failure."""
    for mark in ("nsgf: ", "Traceback (most recent call last)"):
        if (start := text.rfind(mark)) >= 0:
            return text[start:].rstrip()
    return "It ended without a word: it was killed, or memory ran out, or the disk is full."

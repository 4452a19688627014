"""Why a run failed: each job's own message, or what SLURM did to it."""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import slurm_jobs
from where import Where


def explain(failed: Sequence[str], known: Collection[str], log: Path, where: Where) -> None:
    """Print each failed job's own message, the last lines of its log, or what SLURM did to it.

    Args:
        failed: rules that failed, which may be others than jobs.
        known: names of all jobs.
        log: Snakemake's log; those of the jobs lie beside it.
        where: where they ran.
    """
    ended = slurm_jobs.explain(log.read_text(), where.folder) if where.slurm else {}
    for name in [n for n in failed if n in known]:
        path = log.with_name(f"{name}.log")
        text = path.read_text() if path.exists() else ""
        message = ended.get(name) or _message(text)
        print(f"\njob {name} failed ({path}):\n{message}", file=sys.stderr)
    if not failed:
        print(f"\nSnakemake failed: see the end of {log}", file=sys.stderr)
        print("\n".join(log.read_text().splitlines()[-12:]), file=sys.stderr)
    print("\nWhat is done is kept: run the same command to go on.", file=sys.stderr)


def _message(text: str) -> str:
    """What a job's log says of its failure."""
    for mark in ("nsgf: ", "Traceback (most recent call last)"):
        if (start := text.rfind(mark)) >= 0:
            return text[start:].rstrip()
    return "It ended without a word: it was killed, or memory ran out, or the disk is full."

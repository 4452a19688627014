"""What SLURM says of the user's jobs, by the name of the rule."""

import shutil
import subprocess
from dataclasses import dataclass

FORMAT = "%i|%T|%N|%r|%k"  # job, state, nodes, why it waits, comment (the executor's: the rule)
PREFIX = "rule_"


@dataclass(frozen=True)
class Queued:
    """A job in SLURM's queue: `state` as SLURM says it; `where` is its node or why it waits."""

    slurm_id: str
    state: str
    where: str


def squeue() -> dict[str, Queued]:
    """The user's jobs now; nothing where there is no SLURM or it does not answer."""
    if not shutil.which("squeue"):
        return {}
    command = ["squeue", "--me", "--noheader", "--format", FORMAT]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except subprocess.TimeoutExpired:
        return {}
    return parse_queue(answer.stdout)


def parse_queue(text: str) -> dict[str, Queued]:
    """Lines of squeue in FORMAT; other people's comments and half lines are passed over."""
    found = {}
    for line in text.splitlines():
        parts = line.split("|", 4)
        if len(parts) == 5 and parts[4].startswith(PREFIX):
            number, state, node, reason, comment = parts
            name = comment.removeprefix(PREFIX).split("_wildcards_")[0].strip()
            found[name] = Queued(number, state, node or f"({reason})")
    return found

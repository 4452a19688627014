"""What SLURM says of the user's jobs, by the name of the rule."""

import re
import subprocess
from typing import NamedTuple

FORMAT = "%i|%T|%N|%r|%k"  # job, state, nodes, why it waits, comment (the executor's: the rule)
LINE = re.compile(
    r"^[^|\n]+\|(\w+)\|([^|\n]*)\|([^|\n]*)\|rule_(\S+?)(?:_wildcards_.*)?[ \t]*$", re.MULTILINE
)


class Queued(NamedTuple):
    """A job in SLURM's queue: `state` as SLURM says it; `where` is its node or why it waits."""

    state: str
    where: str


def squeue() -> dict[str, Queued]:
    """The user's jobs now; nothing where there is no SLURM or it does not answer."""
    command = ["squeue", "--me", "--noheader", "--format", FORMAT]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return parse_queue(answer.stdout)


def parse_queue(text: str) -> dict[str, Queued]:
    """Lines of squeue in FORMAT; other people's comments and half lines are passed over."""
    found = LINE.findall(text)
    return {rule: Queued(state, node or f"({why})") for state, node, why, rule in found}

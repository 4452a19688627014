"""What a job's own log says of its progress, by the last bar in it, and what SLURM says of it."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

TAIL = 65536  # bytes of a log that are read: a bar is far shorter
BAR = re.compile(
    r"(?P<what>[^|]+): +\d+%\|[^|\r\n]*\| (?P<step>\d+)/(?P<total>\d+)"
    r" \[[\d:]+<[\d:?]+, +(?P<rate>[\d.]+|\?)(?P<unit>it/s|s/it)(?:, (?P<more>[^\]\r\n]*))?\]"
)
LOSS = re.compile(r"loss=([-+\d.eE]+|nan|inf)")
FORMAT = "%i|%T|%N|%r|%k"  # job, state, nodes, why it waits, comment (the executor's: the rule)
LINE = re.compile(
    r"^[^|\n]+\|(\w+)\|([^|\n]*)\|([^|\n]*)\|rule_(\S+?)(?:_wildcards_.*)?[ \t]*$", re.MULTILINE
)


@dataclass(frozen=True)
class Bar:
    """What is under way; `rate` in steps a second, None where nothing is known yet."""

    what: str
    step: int
    of: int
    rate: float | None
    loss: float | None


def last_bar(text: str) -> Bar | None:
    """The last bar that is whole; bars over images of a feature extractor are not counted."""
    lines = reversed(re.split("[\r\n]", text))
    found = next(filter(None, map(BAR.match, lines)), None)
    if found is None:
        return None
    rate = None if found["rate"] == "?" else float(found["rate"])
    if rate and found["unit"] == "s/it":
        rate = 1 / rate
    loss = LOSS.search(found["more"] or "")
    step, total = int(found["step"]), int(found["total"])
    return Bar(found["what"].strip(), step, total, rate or None, float(loss[1]) if loss else None)


def tail(path: Path) -> str:
    """The end of a log; empty where there is none."""
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, handle.seek(0, os.SEEK_END) - TAIL))
            return handle.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


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

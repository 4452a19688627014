"""The last progress bar in a job's log."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

TAIL = 65536  # bytes of a log that are read: a bar is far shorter
BAR = re.compile(
    r"(?P<what>[^|]+): +\d+%\|[^|\r\n]*\| (?P<step>\d+)/(?P<total>\d+)"
    r" \[[\d:]+<[\d:?]+, +(?P<rate>[\d.]+|\?)(?P<unit>it/s|s/it)(?:, (?P<more>[^\]\r\n]*))?\]"
)
LOSS = re.compile(r"loss=([-+\d.eE]+|nan|inf)")


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

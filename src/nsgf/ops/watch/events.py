"""What Snakemake's log says of each job: in this run, begun, finished or failed.

The only home of patterns over that log: the driver follows it by them too.
"""

import re
import time
from dataclasses import dataclass, field

STAMP = re.compile(r"\[(\w{3} \w{3} +\d+ [\d:]+ \d{4})\]")
BEGUN = re.compile(r"(?:local)?rule ([^\s:]+):")
FINISHED = re.compile(r"Finished jobid: \d+ \(Rule: ([^\s)]+)\)")
FAILED = re.compile(r"Error in rule ([^\s:,]+)")
LISTED = re.compile(r"(\S+) +\d+")
DONE = re.compile(r"(\d+) of (\d+) steps")
# What the executor says beneath a failure: how SLURM ended the job, or that it did not take it.
ENDED = re.compile(r"Error in rule (\S+):\n +message: SLURM-job '(\d+)' .*?status is: '(\w+)'")
REFUSED = re.compile(
    r"Error in rule (\S+):\n +message: SLURM sbatch failed\. The error message was '(.*?)'\.\n",
    re.DOTALL,
)


@dataclass
class Events:
    """The state of a run by its log.

    Attributes:
        wanted: jobs that this run has to do.
        begun: when each began, seconds since the epoch; of a retried job, the last time.
        ended: jobs that finished, True, or failed, False.
        last: when the log last told the time.
    """

    wanted: set[str] = field(default_factory=set)
    begun: dict[str, float] = field(default_factory=dict)
    ended: dict[str, bool] = field(default_factory=dict)
    last: float = 0.0


def read_events(text: str) -> Events:
    """Events in the text of a Snakemake log; a last line without its end is left for later."""
    found, listing = Events(), False
    for line in text[: text.rfind("\n") + 1].splitlines():
        if line.startswith("Job stats:"):
            listing = True
        elif listing and not line:
            listing = False
        elif listing and (match := LISTED.fullmatch(line.rstrip())):
            found.wanted.add(match[1])
        elif match := STAMP.fullmatch(line):
            found.last = time.mktime(time.strptime(match[1]))
        elif match := BEGUN.fullmatch(line):
            found.begun[match[1]] = found.last
            found.ended.pop(match[1], None)  # tried again
        elif match := FINISHED.match(line):
            found.ended[match[1]] = True
        elif match := FAILED.match(line):
            found.ended[match[1]] = False
    return found

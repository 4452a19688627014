"""Benchmark files: when a job ran, and the largest memory that it held."""

import csv
from dataclasses import dataclass
from pathlib import Path

from nsgf.layout import Layout


@dataclass(frozen=True)
class Timing:
    """One job: its end in seconds since the epoch, how long it took, and its peak memory in MB.

    The memory is None where the job was too short to be measured.
    """

    end: float
    seconds: float
    peak_mb: float | None

    @property
    def start(self) -> float:
        """When it began, seconds since the epoch."""
        return self.end - self.seconds


def timing(preset: str, job: str) -> Timing | None:
    """Of a job in results/<preset>; None where its benchmark file is absent or cut off.

    The file is written when the job ends, and says how long it took.
    """
    path = Path(Layout(f"results/{preset}").timing(job))
    try:
        return parsed(path.read_text(), path.stat().st_mtime)
    except OSError:
        return None


def parsed(text: str, end: float = 0) -> Timing | None:
    """Of the content of a benchmark file; None where it is cut off."""
    try:
        row = next(csv.DictReader(text.splitlines(), delimiter="\t"))
        peak = None if row["max_rss"] in ("-", "NA") else float(row["max_rss"])
        return Timing(end, float(row["s"]), peak)
    except (StopIteration, KeyError, TypeError, ValueError):
        return None

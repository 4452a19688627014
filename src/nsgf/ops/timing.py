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
        with path.open() as handle:
            row = next(csv.DictReader(handle, delimiter="\t"))
        peak = None if row["max_rss"] in ("-", "NA") else float(row["max_rss"])
        return Timing(path.stat().st_mtime, float(row["s"]), peak)
    except (OSError, StopIteration, KeyError, TypeError, ValueError):
        return None

"""`nsgf check`: is a preset possible, and how many jobs would it take?"""

from collections import Counter
from pathlib import Path

from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs


def run(preset: Path) -> None:
    """Validate the preset and print the number of jobs of each stage."""
    counts = Counter(job.stage for job in jobs(load(preset, Preset)))
    print(f"{preset}: {sum(counts.values())} jobs")
    for stage, count in counts.items():
        print(f"  {stage:<11} {count}")

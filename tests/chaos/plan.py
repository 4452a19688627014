"""Which faults strike which run, drawn from a seed."""

import random
from dataclasses import dataclass

from tests.chaos.faults import BOTH, KINDS, ON_SLURM

LOCAL, SLURM = "local", "SLURM"
MOST = 5  # faults a run


@dataclass(frozen=True)
class Planned:
    """A run, and the faults that it will meet, in their order."""

    where: str
    kinds: tuple[str, ...]


def plan(kills: int, draw: random.Random, slurm: bool, full_disk: bool) -> list[Planned]:
    """Every kind twice on this machine and once on SLURM, those of SLURM alone twice; then any.

    Args:
        kills: faults in all; if these are too few for every kind, some are left out.
        slurm: whether there is a cluster.
        full_disk: whether there is a disk that may be filled.
    """
    here = [k for k in BOTH if full_disk or k != "disk full"]
    there = [*here, *ON_SLURM] if slurm else []
    wanted = [(LOCAL, k) for k in here] * 2 + [(SLURM, k) for k in there]
    wanted += [(SLURM, k) for k in there if k in ON_SLURM]
    while len(wanted) < kills:
        wanted.append((LOCAL, draw.choice(here)))
    draw.shuffle(wanted)
    wanted = wanted[:kills]
    runs = [
        Planned(where, tuple(part))
        for where in (LOCAL, SLURM)
        for part in spread([k for w, k in wanted if w == where])
    ]
    draw.shuffle(runs)
    return runs


def spread(kinds: list[str]) -> list[list[str]]:
    """Parts of nearly equal length, none longer than `MOST`."""
    count = -(-len(kinds) // MOST)
    return [kinds[k::count] for k in range(count)]


def all_kinds() -> list[str]:
    """Names of every fault, in the order of the table."""
    return list(KINDS)

"""How fast this machine is: blocks of real work here, beside the same on the reference machine.

The factor of a block, seconds here / seconds there, is that of all rates that go with it
(reference.yaml, `blocks`). Blocks are timed once and kept for the next forecast, until the
processor, a library or the code that they call is another.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TextIO

from nsgf import numerics
from nsgf.artifact import read_kept_json, sha256_json, write_json
from nsgf.engine.code import code_of
from nsgf.engine.provenance import machine
from nsgf.engine.state import state_root
from nsgf.errors import NsgfError
from nsgf.lifeline import PARENT
from nsgf.ops.plan.reference import Rates, reference
from nsgf.progress import bar
from nsgf.threads import THREADED

BLOCKS = "nsgf.ops.plan.blocks"  # loads torch, so in a process of its own
REPORTS = 4  # that it makes: the start, and three rounds
BUSY = 2  # processes that time blocks at once, as jobs run: two cores may be one core's threads


def calibrated() -> Rates:
    """The rates of this machine; those of a GPU are the reference's.

    Raises:
        NsgfError: as `seconds`.
    """
    rates = reference()["seconds"]
    return rates | {"cpu": scaled(rates["cpu"], seconds())}


def scaled(rates: Mapping[str, float], here: Mapping[str, float]) -> dict[str, float]:
    """CPU rates, each times the factor of its block; those of none stay (writing to a disk).

    Args:
        rates: seconds a unit of work on the reference machine, by name.
        here: CPU seconds of blocks on this machine, by name.
    """
    found = dict(rates)
    for name, block in reference()["blocks"].items():
        for rate in rates:
            if any(fnmatchcase(rate, pattern) for pattern in block["rates"]):
                found[rate] *= here[name] / block["seconds"]
    return found


def seconds() -> dict[str, float]:
    """CPU seconds of each block on this machine, timed now if they never were.

    Raises:
        NsgfError: the blocks do not run here.
    """
    path, names = kept(), set(reference()["blocks"])
    known = read_kept_json(path)
    if not (isinstance(known, dict) and known.keys() == names and _are_times(known.values())):
        known = _measured()
        write_json(path, known)
    return known


def kept() -> Path:
    """Where the seconds of this machine's blocks lie."""
    known = machine() | {"gpu": None}, numerics.asked(), sys.version, code_of("", (BLOCKS,))
    key = sha256_json(known)
    return state_root() / f"speed-{key[:16]}.json"


def _are_times(values) -> bool:
    return all(isinstance(value, float) and value > 0 for value in values)


def _measured() -> dict[str, float]:
    """The least time of each block, on all cores at once, up to BUSY."""
    from nsgf import compiled

    compiled.ensure()  # here, where it says so: it takes most of a minute
    one_thread = {f"{name}_NUM_THREADS": "1" for name in THREADED}
    environment = os.environ | one_thread | {PARENT: str(os.getpid())}
    count = min(BUSY, len(os.sched_getaffinity(0)))
    least: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(bar(REPORTS * count, "timing this machine, once"))
        errors = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(count)]
        children = [stack.enter_context(_start(environment, said)) for said in errors]
        for child, said in zip(children, errors, strict=True):
            for times in _reported(child, said):
                least |= {name: min(taken, least.get(name, taken)) for name, taken in times.items()}
                progress.update()
    return least


def _start(environment: Mapping[str, str], said: TextIO) -> subprocess.Popen:
    command, pipe = [sys.executable, "-m", BLOCKS], subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=said, text=True)


def _reported(child: subprocess.Popen, said: TextIO) -> Iterator[dict[str, float]]:
    yield from map(json.loads, child.stdout)
    if child.wait():
        said.seek(0)
        raise NsgfError(
            f"this machine's speed cannot be measured: {said.read().strip()[-400:]}",
            "mend what it says: the jobs of a run need the same",
        )

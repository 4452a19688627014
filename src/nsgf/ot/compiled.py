"""Kernels are compiled once, all of them, in a process of their own, and always run from the cache.

A kernel that was compiled in this process calls other machine code than the same kernel loaded from
numba's cache: the body of a parallel loop is optimised once by itself and once more inside its
kernel, and which of the two runs depends on what was loaded before. Sums with fast-math then differ
in their last bits, between the first run on a machine and all later ones.
"""

import fcntl
import functools
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numba
import torch
from llvmlite import binding

from nsgf.errors import NsgfError
from nsgf.lifeline import PARENT, die_with_parent

COMPILING = "NSGF_COMPILING_KERNELS"  # set in the process that compiles


@functools.cache
def ensure() -> None:
    """Compile the kernels if this machine has not yet; other processes wait for the first.

    Raises:
        NsgfError: they cannot be compiled here.
    """
    if os.environ.get(COMPILING):
        return
    done = _stamp()
    if done.exists():
        return
    done.parent.mkdir(parents=True, exist_ok=True)
    with done.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            _compile()
            done.touch()


def _compile() -> None:
    print("compiling kernels, once on this machine", file=sys.stderr, flush=True)
    environment = os.environ | {COMPILING: "1", PARENT: str(os.getpid())}
    result = subprocess.run(
        [sys.executable, "-m", "nsgf.ot.compiled"], env=environment, capture_output=True, text=True
    )
    if result.returncode:
        raise NsgfError(
            f"the Sinkhorn kernels cannot be compiled: {result.stderr.strip()[-400:]}",
            "set NUMBA_CACHE_DIR to a folder that can be written",
        )


def _stamp() -> Path:
    """A file beside the compiled code, named by all that makes numba compile anew."""
    from nsgf.ot import kernels

    about = Path(kernels.__file__).stat()
    known = [about.st_mtime_ns, about.st_size, numba.__version__, binding.get_host_cpu_name()]
    known += [binding.get_host_cpu_features().flatten(), sys.version]
    name = hashlib.sha256(repr(known).encode()).hexdigest()[:16]
    return Path(kernels._descend_batch.stats.cache_path) / f"kernels-{name}.ready"


def main() -> None:
    """Call every kernel with every type that it is called with."""
    die_with_parent()
    from nsgf.ot import kernels
    from nsgf.ot.schedule import Schedule

    rules = Schedule(0.1, 0.1)
    for dtype in (torch.float32, torch.float64):
        for batch, n in ((2, 8), (1, 8), (1, 1024)):  # on all threads, on one, and in blocks
            x = torch.linspace(0, 1, batch * n * 2, dtype=dtype).reshape(batch, n, 2)
            cost = kernels.half_squared_distance(x, x)
            found = kernels.descend(cost, 0.5, None, rules)
            kernels.descend(cost, 0.5, found.g, rules)
            kernels.symmetric(cost, 0.5, 0.1, 3)
            kernels.project(found.plan, x)


if __name__ == "__main__":
    main()

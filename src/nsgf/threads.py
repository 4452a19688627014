"""How many threads libraries take; they read the environment when they are loaded."""

import os

THREADED = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")


def set_threads(count: int) -> None:
    """Give libraries that are loaded from now on `count` threads, as Snakemake does for its jobs.

    Sums over other threads have other bytes, and libraries take all cores where they are not told.
    """
    os.environ |= {f"{name}_NUM_THREADS": str(count) for name in THREADED}

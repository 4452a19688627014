"""`nsgf bench sinkhorn`: solvers of the Sinkhorn velocity, side by side on the same inputs."""

import contextlib
import importlib.util
import os
from collections.abc import Iterator

from nsgf.errors import NsgfError
from nsgf.threads import set_threads


def run(what: str, threads: int, **options) -> None:
    """Measure, print a table for each case, and write what is asked for.

    Args:
        what: the benchmark, "sinkhorn".
        threads: for every library, count.
        options: as `nsgf.ops.bench.sinkhorn.compare` takes them.

    Raises:
        NsgfError: a bad number of threads, or as `compare`.
    """
    with limited(threads):
        from nsgf.ops.bench.sinkhorn import compare  # libraries read their number of threads here

        compare(threads, **options)


@contextlib.contextmanager
def limited(threads: int) -> Iterator[None]:
    """Run with `threads` threads; enter before numpy and jax are imported.

    torch is told, and our solver follows torch. Libraries that are already loaded are told by
    threadpoolctl where that is installed, later ones by the environment.

    Raises:
        NsgfError: fewer than one, or more than this process has cores.
    """
    cores = len(os.sched_getaffinity(0))
    if not 1 <= threads <= cores:
        raise NsgfError(f"cannot measure with {threads} threads", f"give 1 to {cores}")
    before = dict(os.environ)
    set_threads(threads)
    os.environ["NPROC"] = str(threads)  # XLA's
    import torch

    threads_before, pools = torch.get_num_threads(), contextlib.nullcontext()
    if importlib.util.find_spec("threadpoolctl"):
        from threadpoolctl import threadpool_limits

        pools = threadpool_limits(threads)
    try:
        with pools:
            torch.set_num_threads(threads)
            yield
    finally:
        torch.set_num_threads(threads_before)
        os.environ.clear()
        os.environ |= before

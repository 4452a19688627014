"""One number of threads for every library under comparison."""

import contextlib
import importlib.util
import os
from collections.abc import Iterator

from nsgf.errors import NsgfError

# Read by libraries when they are first imported; NPROC is XLA's.
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")


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
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(dict.fromkeys(VARIABLES, str(threads)))
    import torch

    threads_before = torch.get_num_threads()
    try:
        with _pools(threads):
            torch.set_num_threads(threads)
            yield
    finally:
        torch.set_num_threads(threads_before)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _pools(threads: int) -> contextlib.AbstractContextManager:
    if importlib.util.find_spec("threadpoolctl") is None:
        return contextlib.nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(threads)

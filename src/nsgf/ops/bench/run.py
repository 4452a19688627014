"""`nsgf bench`: what we write beside what others do, on the same inputs in one run."""

import contextlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from nsgf import numerics
from nsgf.errors import NsgfError
from nsgf.threads import set_threads


def run(what: str, threads: int, json: Path | None, device: str, **options) -> None:
    """Measure, print tables, and write what is asked for.

    Args:
        what: the benchmark, "sinkhorn", "sliced", "schemes", "accuracy", "random", "train" or
            "power".
        threads: for every library, count.
        json: where to write the rows.
        device: cpu, cuda or auto.
        options: further ones of `nsgf.ops.bench.sinkhorn.compare`.

    Raises:
        NsgfError: a bad number of threads, options that the benchmark does not have, or as
            `compare`.
    """
    plot = options.pop("plot") if what == "schemes" else None
    given = sorted(name for name in ("plot", "cases", "solvers") if options.get(name))
    if what != "sinkhorn" and given:
        raise NsgfError(f"bench {what} has no option --{given[0]}", "see nsgf bench --help")
    if what in ("train", "schemes"):  # as presets train
        numerics.apply(numerics.best())
    with limited(threads):  # libraries read their number of threads when they are imported
        if what == "random":
            from nsgf.ops.bench import numbers

            numbers.compare(threads, json, device)
        elif what == "sliced":
            from nsgf.ops.bench import sliced

            sliced.compare(threads, json)
        elif what == "schemes":
            from nsgf.ops.bench import schemes

            schemes.compare(threads, json, plot)
        elif what == "accuracy":
            from nsgf.ops.bench import accuracy

            accuracy.compare(threads, json)
        elif what == "train":
            from nsgf.ops.bench import training

            training.compare(threads, json)
        elif what == "power":
            from nsgf.ops.bench import power

            power.compare(threads, json)
        else:
            from nsgf.ops.bench import sinkhorn

            sinkhorn.compare(threads, json=json, device=device, **options)


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

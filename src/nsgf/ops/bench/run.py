"""`nsgf bench sinkhorn`: solvers of the Sinkhorn velocity, side by side on the same inputs."""

from collections.abc import Sequence
from pathlib import Path

from nsgf.errors import NsgfError
from nsgf.ops.bench.threads import limited

FORMS = (".png", ".pdf")


def run(
    what: str,
    json: Path | None,
    plot: Path | None,
    threads: int,
    cases: Sequence[str] | None,
    solvers: Sequence[str] | None,
    data: Path,
    device: str,
) -> None:
    """Measure, print a table for each case, and write what is asked for.

    Args:
        what: the benchmark, "sinkhorn".
        json: where to write the rows.
        plot: where to draw error against time, .png or .pdf.
        threads: for every library, count.
        cases: names of cases, default all.
        solvers: peers beside ours and GeomLoss, default all that can run.
        data: folder of the image sets; a case without its images is left out, and said so.
        device: cpu, cuda or auto.

    Raises:
        NsgfError: an unknown case, a bad number of threads or form of plot, or no case could run.
    """
    if plot and plot.suffix not in FORMS:
        raise NsgfError(f"cannot draw '{plot}'", f"end its name in {' or '.join(FORMS)}")
    with limited(threads):
        from nsgf.ops.bench.sinkhorn import compare  # libraries read their number of threads here

        compare(json, plot, threads, cases, solvers, data, device)

"""What must hold when a disturbed run has ended; each line that comes back is something wrong."""

import fcntl
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.attempts import Run
from tests.slurm.use import users_of
from tests.workflow.checkout import Checkout

KNOWN = ("digests-", "speed-")  # of large files and of the machine, for the next run


def wrong(run: Run, undisturbed: dict[str, bytes]) -> list[str]:
    """All that a run should not have done or left."""
    checkout = run.checkout
    found = [*run.trouble, *differences(undisturbed, results_of(checkout))]
    found += [f"orphan {p.pid}: {p.name()}" for p in run.end_of_others()]
    if run.cluster:
        here = str(checkout.folder)
        found += [f"SLURM job {j.id} left" for j in run.cluster.queue() if j.folder == here]
    return [*found, *locks(checkout), *leftovers(checkout)]


def results_of(checkout: Checkout) -> dict[str, bytes]:
    """Every artefact, without its provenance."""
    return checkout.artefacts(provenance=False)


def differences(here: dict[str, bytes], there: dict[str, bytes]) -> Iterator[str]:
    """Files that only one run has, or that differ."""
    for name in sorted(here.keys() ^ there.keys()):
        yield f"{name} {'missing' if name in here else 'made by nobody'}"
    for name in sorted(here.keys() & there.keys()):
        if here[name] != there[name]:
            yield f"{name} has other bytes"


def locks(checkout: Checkout) -> Iterator[str]:
    """Locks that are still there or still held."""
    yield from (f"lock {p.name}" for p in (checkout.folder / ".snakemake/locks").glob("*"))
    with (checkout.folder / ".snakemake/reproduce.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield "reproduce.lock is held"


def leftovers(checkout: Checkout) -> Iterator[str]:
    """State that nobody will take up, and files that were never finished."""
    kept = (p for p in checkout.state("*") if not p.name.startswith(KNOWN))
    yield from (f"state {p.name}" for p in kept)
    yield from (f"temporary file {p}" for p in checkout.results.rglob(".*.tmp*"))
    marks = checkout.folder / ".snakemake/slurm-run"
    yield from [f"mark {marks.name}"] if marks.exists() else []


def cluster_left(folder: Path) -> list[str]:
    """Processes of a cluster that was shut down."""
    return [f"process {p.pid} of the cluster" for p in users_of(folder)]


def snapshot(folder: Path) -> dict[str, bytes]:
    """Files of a folder that must not change."""
    found = [p for p in folder.rglob("*") if p.is_file()] if folder.exists() else []
    return {str(p): p.read_bytes() for p in found}

"""The benchmark of Sinkhorn velocities, from cases to tables, JSON and plot."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from nsgf.artifact import write_json
from nsgf.device import pick
from nsgf.engine import provenance
from nsgf.errors import NsgfError
from nsgf.ops.bench.cases import CASES, SEED, inputs, reference
from nsgf.ops.bench.measure import FOOT, Measurement, compared, measure, notes, rows, text
from nsgf.ops.bench.plot import draw
from nsgf.ops.bench.record import record
from nsgf.ops.bench.solvers import SOLVERS, sweep
from nsgf.registry import DATASETS, lookup

CURVES = ("2d-blur0.5", "mnist")  # cases of the plot
FORMS = (".png", ".pdf")


def compare(
    threads: int,
    json: Path | None,
    plot: Path | None,
    cases: Sequence[str] | None,
    solvers: Sequence[str] | None,
    data: Path,
    device: str,
) -> None:
    """Measure, print a table for each case, and write what is asked for.

    Args:
        threads: that this process's libraries have.
        json: where to write the rows.
        plot: where to draw error against time, .png or .pdf.
        cases: names of cases, default all.
        solvers: peers beside ours and GeomLoss, default all that can run.
        data: folder of the image sets; a case without its images is left out, and said so.
        device: cpu, cuda or auto.

    Raises:
        NsgfError: an unknown case or solver, nothing that can be plotted, or no case could run.
    """
    chosen = {name: lookup(CASES, name, "case of the benchmark") for name in cases or CASES}
    if plot and plot.suffix not in FORMS:
        raise NsgfError(f"cannot draw '{plot}'", f"end its name in {' or '.join(FORMS)}")
    if plot and not set(chosen) & set(CURVES):
        raise NsgfError("there is nothing to plot", f"add --cases {CURVES[0]}")
    where, machine = pick(device), provenance.machine()["processor"]
    if where.type == "cuda":
        machine += f" with {torch.cuda.get_device_name(where)}"
    count = f"{threads} thread" + "s" * (threads != 1)
    print(f"Sinkhorn velocities: {count} of {machine}, torch {torch.__version__}")
    able = _able(solvers, where)
    found, remarks, curves = [], [], []
    for name, case in chosen.items():
        try:
            exact = reference(case, *(points.to(where) for points in inputs(case, data)))
            measured = measure(case, compared(case, able, exact), exact, f"bench {name}")
            if plot and name in CURVES:
                several = [Measurement(case, m) for solver in able for m in sweep(solver)]
                curves.append(measure(case, several, exact, f"curves {name}"))
        except NsgfError as error:
            print(f"left out: case {name}: {error.what}; {error.mend}")
            continue
        found += rows(name, threads, measured)
        remarks += notes(name, measured)
        print(f"{text(name, measured)}\n", flush=True)
        if json:  # after every case: a long run that ends early keeps what it has
            write_json(json, found)
    if not found:
        raise NsgfError("no case could run", "read the lines above, or choose a 2-D case")
    print("\n".join([*(f"* {remark}" for remark in remarks), FOOT]))
    if curves:
        draw(plot, curves, f"{count}, {machine}")
    facts = {"machine": machine, "threads": threads, "device": str(where), "notes": remarks}
    named = {case.dataset for case in chosen.values()} & DATASETS.keys()
    sets = [DATASETS[name] for name in sorted(named)]
    images = [data / spec.target / "train_images.npy" for spec in sets if spec.is_image]
    about = {name: asdict(case) for name, case in chosen.items()}
    for path in filter(None, (json, curves and plot)):
        record(path, about, SEED, facts, filter(Path.exists, images))


def _able(peers: Sequence[str] | None, device: torch.device) -> list[str]:
    """Ours, GeomLoss and the peers that are asked for; it says why others cannot run."""
    asked = {"ours", "geomloss", *(SOLVERS if peers is None else peers)}
    for name in asked:
        lookup(SOLVERS, name, "solver of the benchmark")
    why = {name: solver.missing(device) for name, solver in SOLVERS.items()}
    print(
        "".join(f"left out: {SOLVERS[n].label}: {reason}\n" for n, reason in why.items() if reason)
    )
    return [name for name in SOLVERS if name in asked and not why[name]]

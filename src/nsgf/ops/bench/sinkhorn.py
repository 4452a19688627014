"""The benchmark of Sinkhorn velocities, from cases to tables, JSON and plot."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from nsgf.artifact import sha256_file, sidecar, write_json
from nsgf.device import pick
from nsgf.engine import provenance
from nsgf.engine.code import code_of
from nsgf.errors import NsgfError
from nsgf.ops.bench.cases import CASES, SEED, Case, how_to_fetch, inputs
from nsgf.ops.bench.measure import jobs, measure
from nsgf.ops.bench.methods import SOLVERS, absent, sweep, table_methods
from nsgf.ops.bench.plot import draw
from nsgf.ops.bench.reference import reference
from nsgf.ops.bench.table import FOOT, notes, rows, text
from nsgf.private import redact
from nsgf.progress import bar
from nsgf.registry import DATASETS, lookup

CURVES = ("2d-blur0.5", "mnist")  # cases of the plot


def compare(
    json: Path | None,
    plot: Path | None,
    threads: int,
    cases: Sequence[str] | None,
    peers: Sequence[str] | None,
    data: Path,
    device: str,
) -> None:
    """As `nsgf.ops.bench.run.run`, in a process whose libraries have `threads` threads."""
    where = pick(device)
    chosen = {name: lookup(CASES, name, "case of the benchmark") for name in cases or CASES}
    machine, left_out = provenance.machine()["processor"], absent(where)
    if where.type == "cuda":
        machine += f" with {torch.cuda.get_device_name(where)}"
    print(f"Sinkhorn velocities: {_count(threads)} of {machine}, torch {torch.__version__}")
    print("".join(f"left out: {SOLVERS[name].label}: {why}\n" for name, why in left_out.items()))
    problems = _problems(chosen, data, where)
    if plot and not set(problems) & set(CURVES):
        raise NsgfError("there is nothing to plot", f"add --cases {CURVES[0]}")
    asked = {"ours", "geomloss", *(SOLVERS if peers is None else peers)}
    for name in asked:
        lookup(SOLVERS, name, "solver of the benchmark")
    solvers = [name for name in SOLVERS if name in asked and name not in left_out]
    found, remarks, curves = [], [], {}
    with bar(_work(problems, solvers, plot), "bench") as progress:
        for name, (x0, y) in problems.items():
            case = chosen[name]
            try:
                exact = reference(case, x0, y)
                progress.update()
                names, methods = zip(*table_methods(case, solvers), strict=True)
                measured = measure(case, methods, exact, progress.update)
                mine = rows(name, threads, measured)
                progress.write(text(case, names, measured, mine) + "\n")
                if plot and name in CURVES:
                    several = [m for solver in solvers for m in sweep(case, solver)]
                    curves[name] = measure(case, several, exact, progress.update)
            except NsgfError as error:
                progress.write(f"left out: case {name}: {error.what}\n")
                continue
            found += mine
            remarks += notes(name, case, measured)
            if json:  # after every case: a long run that ends early keeps what it has
                write_json(json, found)
    if not found:
        raise NsgfError("no case could be measured", "read the lines above")
    print("\n".join([*(f"* {remark}" for remark in remarks), FOOT]))
    facts = {"machine": machine, "threads": threads, "device": str(where), "notes": remarks}
    if json:
        _record(json, chosen, facts, data)
    if plot and curves:
        draw(plot, curves, chosen, f"{_count(threads)}, {machine}")
        _record(plot, chosen, facts, data)


def _problems(
    chosen: Mapping[str, Case], data: Path, device: torch.device
) -> dict[str, tuple[Tensor, Tensor]]:
    """Starting points and targets of the cases whose data are there."""
    found = {}
    for name, case in chosen.items():
        try:
            found[name] = tuple(points.to(device) for points in inputs(case, data))
        except NsgfError as error:
            print(f"left out: case {name}: {error.what}; get it by: {how_to_fetch(case)}")
    if not found:
        raise NsgfError(
            f"no case could run: the images of {', '.join(chosen)} are missing",
            "fetch them as said above, or choose a 2-D case",
        )
    return found


def _work(problems: Mapping[str, object], solvers: Sequence[str], plot: Path | None) -> int:
    """Pieces of work, for the progress bar."""
    every = [1 + jobs(table_methods(CASES[name], solvers)) for name in problems]
    drawn = [CASES[name] for name in problems if plot and name in CURVES]
    every += [jobs(sweep(case, solver)) for case in drawn for solver in solvers]
    return sum(every)


def _record(path: Path, chosen: Mapping[str, Case], facts: dict, data: Path) -> None:
    """Provenance of a benchmark: no task of a preset, but told in the same words."""
    sets = {DATASETS[case.dataset] for case in chosen.values()}
    images = [data / spec.target / "train_images.npy" for spec in sets if spec.is_image]
    about = {
        "stage": "bench",
        "command": redact(shlex.join(["nsgf", *sys.argv[1:]])),
        "config": {name: asdict(case) for name, case in chosen.items()},
        "seed": SEED,
        "code": code_of("", ("nsgf.ops.bench.run",)),
        "inputs": {str(file): sha256_file(file) for file in images if file.exists()},
    }
    named = {"artefact": path.name, "sha256": sha256_file(path)}
    write_json(sidecar(path), about | provenance.account(facts) | named)


def _count(threads: int) -> str:
    return f"{threads} thread" + "s" * (threads != 1)

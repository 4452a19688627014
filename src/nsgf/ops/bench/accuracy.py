"""`nsgf bench accuracy`: velocities of awkward problems, beside dense float64 ones.

Every kind of cloud at every blur in both precisions: the error that a velocity has, the bound that
comes with it, and the time beside that of the dense method that it is checked by.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from nsgf.artifact import write_json
from nsgf.engine import provenance
from nsgf.errors import NotConverged
from nsgf.ops.bench import exact
from nsgf.ops.bench.clouds import KINDS
from nsgf.ops.bench.record import record
from nsgf.ops.text import columns
from nsgf.ot.error import NEGLIGIBLE
from nsgf.ot.sinkhorn import Velocity, velocity
from nsgf.progress import bar
from nsgf.rng import stream

SEED, DRAWS = 0, 3
BLURS = (1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 10.0, 100.0)  # of the clouds' size
DTYPES = (torch.float32, torch.float64)
TOL = 1e-3
KNOWN = 1e-7  # to which errors are known here
HEAD = ("kind", "problems", "raised", "float32", "float64", "bound", "passes", "time")
FOOT = (
    f"float32, float64: the largest |v - v*| / |v*| of any blur, {BLURS[0]:g} to {BLURS[-1]:g} of "
    "the clouds' size\n(median distance from the median); bound: the largest that came with one; "
    f"tol is {TOL:g}. passes: median, largest.\ntime: the largest ratio to the dense method's, of "
    "problems that took longer than a millisecond."
)


def compare(threads: int, json: Path | None) -> None:
    """Solve all problems, print a table, and write its rows.

    Args:
        threads: that this process's libraries have.
        json: where to write a row for each problem.
    """
    machine = provenance.machine()["processor"]
    print(f"velocities of {len(KINDS)} kinds of problem: {threads} thread(s) of {machine}")
    found = []
    with bar(len(KINDS) * DRAWS * len(DTYPES) * len(BLURS), "bench accuracy") as progress:
        for row in rows():
            found.append(row)
            progress.update()
    table = [_line(kind, [row for row in found if row["kind"] == kind]) for kind in KINDS]
    print(columns([HEAD, *table], right=range(1, len(HEAD))))
    raised = sum(row["error"] is None for row in found)
    within = sum(row["error"] <= row["bound"] + KNOWN for row in found if row["error"] is not None)
    print(f"{len(found)} problems: {within} within their bounds, {raised} raised NotConverged")
    print(FOOT)
    if json:
        write_json(json, found)
        about = {"kinds": list(KINDS), "blurs": BLURS, "draws": DRAWS, "tol": TOL}
        record(json, about, SEED, {"machine": machine, "threads": threads})


def rows() -> Iterator[dict]:
    """Of each problem: kind, draw, dtype, blur, what was found, and the dense method's seconds.

    `error` and `bound` are relative, as `nsgf.ot.Velocity` says; None where NotConverged was
    raised.
    """
    for kind, make in KINDS.items():
        for draw in range(DRAWS):
            wide = make(stream(SEED, "accuracy", kind, draw))
            for dtype in DTYPES:
                x, y = (cloud.to(dtype) for cloud in wide)
                for blur in BLURS:
                    about = {"kind": kind, "draw": draw, "dtype": str(dtype), "blur": blur}
                    yield about | _solved(x, y, blur * _size(*wide))


def _solved(x: Tensor, y: Tensor, blur: float) -> dict:
    wide = [cloud.double().numpy() for cloud in (x, y)]
    seconds, (dense, column) = _timed(lambda: exact.velocity(*wide, blur))
    found, v = {"dense_s": seconds, "reference_column_error": column}, torch.from_numpy(dense)
    seconds, step = _timed(lambda: _tried(x, y, blur))
    found["s"] = seconds
    if step is None:
        return found | {"error": None, "bound": None}
    found["iterations"] = step.iterations
    size = sum(float(z.double().var(0, correction=0).sum()) for z in (x, y)) ** 0.5
    speed = max(float(v.norm()) / len(v) ** 0.5, NEGLIGIBLE * size)
    gap = float((step.v.double() - v).norm()) / len(v) ** 0.5
    return found | {"error": gap / speed if speed else gap, "bound": float(step.error)}


def _tried(x: Tensor, y: Tensor, blur: float) -> Velocity | None:
    try:
        return velocity(x, y, blur, TOL)
    except NotConverged:
        return None


def _timed(work: Callable) -> tuple[float, object]:
    """CPU seconds, the less of two: a first call loads, and others work on the machine."""
    taken = []
    for _ in range(2):
        began = time.process_time()
        found = work()
        taken.append(time.process_time() - began)
    return min(taken), found


def _size(x: Tensor, y: Tensor) -> float:
    """Median distance of a point from the median, or what lies between clouds of single points."""
    both = torch.cat([x, y])
    size = float((both - both.median(0).values).norm(dim=-1).median())
    return size or float((x.mean(0) - y.mean(0)).norm()) or 1.0


def _line(kind: str, found: list[dict]) -> tuple[str, ...]:
    solved = [row for row in found if row["error"] is not None]
    worst = [
        max((row["error"] for row in solved if row["dtype"] == str(dtype)), default=float("nan"))
        for dtype in DTYPES
    ]
    bound = max((row["bound"] for row in solved), default=float("nan"))
    passes = [row["iterations"] for row in solved]
    slow = max((row["s"] / row["dense_s"] for row in found if row["s"] > 1e-3), default=None)
    return (
        kind,
        str(len(found)),
        str(len(found) - len(solved)),
        *(f"{value:.0e}" for value in (*worst, bound)),
        f"{median(passes):.0f}, {max(passes)}" if passes else "-",
        "-" if slow is None else f"{slow:.2f}",
    )

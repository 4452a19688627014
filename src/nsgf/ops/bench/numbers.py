"""`nsgf bench random`: our streams beside torch's generator, draw for draw on one device."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from nsgf.artifact import write_json
from nsgf.device import pick
from nsgf.engine import provenance
from nsgf.ops.text import columns
from nsgf.rng import Stream

COUNTS = (512, 1 << 20)  # numbers of a draw: a small batch, and one of images
HIGH = (60_000, 1 << 40)  # bounds of integers
ROUNDS, ROUND_S = 7, 0.05
HEAD = ("draw", "numbers", "ours, ns", "torch, ns", "torch / ours")
Draw = Callable[[], object]


def compare(threads: int, json: Path | None, device: str) -> None:
    """Time every kind of draw, print a table, and write its rows.

    Args:
        threads: that this process's libraries have.
        json: where to write the rows: nanoseconds a number, medians over rounds in turn.
        device: cpu, cuda or auto.
    """
    where = pick(device)
    print(f"random numbers: {threads} thread(s) of {provenance.machine()['processor']}, {where}")
    found = []
    for count in COUNTS:
        for name, (ours, theirs) in _draws(count, where).items():
            mine, other = _in_turn(ours, theirs, count)
            row = {"draw": name, "count": count, "ours_ns": mine, "torch_ns": other}
            found.append(row | {"speedup": other / mine})
    rows = [
        (
            r["draw"],
            str(r["count"]),
            *(f"{r[key]:.2f}" for key in ("ours_ns", "torch_ns", "speedup")),
        )
        for r in found
    ]
    print(columns([HEAD, *rows], right=(1, 2, 3, 4)))
    if json:
        write_json(json, found)


def _draws(count: int, device: torch.device) -> dict[str, tuple[Draw, Draw]]:
    """Each kind of draw, by our stream and by torch's generator."""
    numbers, theirs = Stream(1, device), torch.Generator(device).manual_seed(1)
    options = {"generator": theirs, "device": device}
    found = {
        "normal": (lambda: numbers.normal(count), lambda: torch.randn(count, **options)),
        "uniform": (lambda: numbers.uniform(count), lambda: torch.rand(count, **options)),
    }
    for high in HIGH:
        found[f"integers below {high:.0e}"] = (
            lambda high=high: numbers.integers(high, count),
            lambda high=high: torch.randint(high, (count,), **options),
        )
    return found


def _in_turn(ours: Draw, theirs: Draw, count: int) -> tuple[float, float]:
    """Nanoseconds a number of each; a machine that drifts in speed drifts for both."""
    times: tuple[list[float], list[float]] = ([], [])
    for k in range(ROUNDS + 1):
        for draw, mine in zip((ours, theirs), times, strict=True):
            calls, began = 0, time.perf_counter()
            while (passed := time.perf_counter() - began) < ROUND_S:
                draw()
                calls += 1
            if torch.cuda.is_available():
                torch.cuda.synchronize()
                passed = time.perf_counter() - began
            if k:  # the first round warms up
                mine.append(1e9 * passed / calls / count)
    return tuple(map(median, times))

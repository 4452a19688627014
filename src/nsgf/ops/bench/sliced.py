"""`nsgf bench sliced`: SW_2^2 with its gradient, beside POT and plain torch, on one input."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from nsgf.artifact import write_json
from nsgf.engine import provenance
from nsgf.ops.bench.record import record
from nsgf.ops.text import columns
from nsgf.ot.directions import directions
from nsgf.ot.sliced_gradient import gradient
from nsgf.rng import stream

SEED = 2401
CASES = {  # by name: points n of x and m of y, dimension d, directions L
    "plane": (500, 500, 2, 50),
    "E1, batch": (1024, 1024, 10, 1000),
    "unequal": (1024, 768, 10, 200),
    "MNIST": (256, 256, 784, 500),
}
ROUNDS = 5
HEAD = (
    "case",
    "n",
    "m",
    "d",
    "L",
    "ours, ms",
    "POT, ms",
    "torch, ms",
    "POT / ours",
    "torch / ours",
)
HEAD = (*HEAD, "value off", "gradient off")
Method = Callable[[Tensor, Tensor, Tensor], tuple[float, Tensor]]


def compare(threads: int, json: Path | None) -> None:
    """Time each method on each case, print a table, and write its rows.

    Args:
        threads: that this process's libraries have.
        json: where to write the rows: milliseconds, medians over rounds in turn, and how far the
            others' value and gradient lie from ours.
    """
    processor = provenance.machine()["processor"]
    print(f"SW_2^2 with its gradient at x: {threads} thread(s) of {processor}, float32")
    found = [_row(name, *case) for name, case in CASES.items()]
    keys = ("n", "m", "d", "directions")
    times = ("ours_ms", "pot_ms", "torch_ms", "pot_over_ours", "torch_over_ours")
    rows = [
        (
            r["case"],
            *(str(r[k]) for k in keys),
            *(f"{r[k]:.3g}" for k in times),
            *(f"{r[k]:.1e}" for k in ("value_off", "gradient_off")),
        )
        for r in found
    ]
    print(columns([HEAD, *rows], right=range(1, len(HEAD))))
    if json:
        write_json(json, found)
        record(json, {"threads": threads, "cases": CASES}, SEED, {"device": "cpu"})


def _row(name: str, n: int, m: int, d: int, count: int) -> dict:
    numbers = stream(SEED, "bench sliced", name)
    x, y = numbers.normal(n, d), numbers.normal(m, d) + 0.3
    given = x, y, directions("random", count, d, numbers)
    methods = {"ours": gradient, "pot": _pot, "torch": _torch}
    taken: dict[str, list[float]] = {key: [] for key in methods}
    for k in range(ROUNDS + 1):
        for key, method in methods.items():  # in turn: a machine that drifts does so for all
            began = time.perf_counter()
            method(*given)
            if k:  # the first round warms up
                taken[key].append(1e3 * (time.perf_counter() - began))
    ms = {f"{key}_ms": median(times) for key, times in taken.items()}
    (value, grad), others = methods["ours"](*given), [methods[k](*given) for k in ("pot", "torch")]
    return {
        "case": name,
        **{"n": n, "m": m, "d": d, "directions": count},
        **ms,
        "pot_over_ours": ms["pot_ms"] / ms["ours_ms"],
        "torch_over_ours": ms["torch_ms"] / ms["ours_ms"],
        "value_off": max(abs(v - value) / value for v, _ in others),
        "gradient_off": max(float((g - grad).norm() / grad.norm()) for _, g in others),
    }


def _pot(x: Tensor, y: Tensor, theta: Tensor) -> tuple[float, Tensor]:
    import ot

    return _by_tape(lambda at: ot.sliced_wasserstein_distance(at, y, projections=theta.T) ** 2, x)


def _torch(x: Tensor, y: Tensor, theta: Tensor) -> tuple[float, Tensor]:
    """As one would write it: sorted projections; of unequal sizes, values at all quantiles."""
    if len(x) == len(y):
        return _by_tape(
            lambda at: (
                ((at @ theta.T).sort(0).values - (y @ theta.T).sort(0).values).square().mean()
            ),
            x,
        )
    n, m = len(x), len(y)
    ends = torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]).unique()
    mass = torch.diff(ends, prepend=ends.new_zeros(1)) / (n * m)

    def value(at: Tensor) -> Tensor:
        one = (at @ theta.T).sort(0).values[(ends - 1) // m]
        other = (y @ theta.T).sort(0).values[(ends - 1) // n]
        return ((one - other).square() * mass[:, None]).sum(0).mean()

    return _by_tape(value, x)


def _by_tape(value: Callable[[Tensor], Tensor], x: Tensor) -> tuple[float, Tensor]:
    at = x.clone().requires_grad_()
    found = value(at)
    (grad,) = torch.autograd.grad(found, at)
    return float(found.detach()), grad

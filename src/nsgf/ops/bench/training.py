"""`nsgf bench train`: a step of our training loop beside torchcfm's; exact pairing beside others.

Points x_0 and x_1 are drawn before, the same for both; the network, Adam and batch are the paper's,
and libraries compute with the same instructions. A step's lower limit is its matrix products alone.
"""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import ot
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from nsgf import numerics
from nsgf.artifact import write_json
from nsgf.config.compute import Compute
from nsgf.config.train import Training
from nsgf.data.problem import open_problem
from nsgf.device import set_up
from nsgf.engine import provenance
from nsgf.errors import NsgfError
from nsgf.nets.build import initialise
from nsgf.ops.bench.record import record
from nsgf.ops.text import columns
from nsgf.progress import bar
from nsgf.rng import stream
from nsgf.train.learner import Regression
from nsgf.train.matching import straight_objective
from nsgf.train.ot_cfm import optimal_order

DATASET, N, WIDTH, DEPTH, SEED = "8gaussians", 256, 256, 3, 0
BATCHES = 8  # drawn before, taken in turn
ROUNDS, ROUND_S = 9, 0.4
HEAD = ("work", "ms", "beside")
PRODUCTS, OURS, THEIRS = "matrix products of a step alone", "ours, FM", "torchcfm, FM"
OURS_OT, THEIRS_OT = "ours, OT-CFM", "torchcfm, OT-CFM"
PAIRING, SAMPLER = "ours, pairing", "torchcfm's OTPlanSampler"
POT, SCIPY = "POT's emd on float64 costs", "SciPy's linear_sum_assignment"
AGAINST = {  # what a time is divided by
    THEIRS: OURS,
    OURS: PRODUCTS,
    THEIRS_OT: OURS_OT,
    SAMPLER: PAIRING,
    POT: PAIRING,
    SCIPY: PAIRING,
}
Step = Callable[[int], object]


def compare(threads: int, json: Path | None) -> None:
    """Time all in turn, print a table, and write its rows.

    Args:
        threads: that this process's libraries have.
        json: where to write the rows: milliseconds a call, medians over rounds in turn, and ratios.

    Raises:
        NsgfError: torchcfm is not installed.
    """
    mode = numerics.asked()
    set_up(Compute(device="cpu", numerics=mode, threads=threads))
    about = f"{threads} thread(s) of {provenance.machine()['processor']}, numerics {mode}"
    print(f"training in the plane, n = {N}, MLP {DEPTH} x {WIDTH}: {about}")
    times = _in_turn(_works())
    rows = [
        {"work": name, "ms": ms, "against": AGAINST.get(name)}
        | ({"ratio": ms / times[AGAINST[name]]} if name in AGAINST else {})
        for name, ms in times.items()
    ]
    lines = [(r["work"], f"{r['ms']:.3f}", _beside(r)) for r in rows]
    print(columns([HEAD, *lines], right=(1,)))
    if json:
        write_json(json, rows)
        config = {"dataset": DATASET, "n": N, "width": WIDTH, "depth": DEPTH, "rounds": ROUNDS}
        record(json, config, SEED, {"threads": threads, "numerics": mode})


def _beside(row: dict) -> str:
    return f"{row['ratio']:.2f} x {row['against']}" if "ratio" in row else ""


def _works() -> dict[str, Step]:
    try:
        from torchcfm.conditional_flow_matching import (
            ConditionalFlowMatcher,
            ExactOptimalTransportConditionalFlowMatcher,
        )
        from torchcfm.optimal_transport import OTPlanSampler
    except ImportError as error:
        raise NsgfError("torchcfm is not installed", "run make setup") from error
    problem, numbers = open_problem(DATASET, None), stream(SEED, "bench train")
    ends = [(problem.source(N, numbers), problem.target(N, numbers)) for _ in range(BATCHES)]
    sampler = OTPlanSampler("exact")
    costs = [_cost(x0, x1) for x0, x1 in ends]
    return {
        PRODUCTS: products(),
        OURS: ours(ends, lambda x0, x1: x1),
        THEIRS: theirs(ends, ConditionalFlowMatcher(sigma=0.0)),
        OURS_OT: ours(ends, lambda x0, x1: x1[optimal_order(x0, x1)]),
        THEIRS_OT: theirs(ends, ExactOptimalTransportConditionalFlowMatcher(sigma=0.0)),
        PAIRING: lambda k: optimal_order(*ends[k % BATCHES]),
        SAMPLER: lambda k: sampler.sample_plan(*ends[k % BATCHES]),
        POT: lambda k: ot.emd([], [], costs[k % BATCHES]),
        SCIPY: lambda k: linear_sum_assignment(costs[k % BATCHES]),
    }


def ours(ends: list[tuple[Tensor, Tensor]], paired: Callable[[Tensor, Tensor], Tensor]) -> Step:
    """A step of our learner on the straight objective; `paired` puts x_1 in the order of x_0."""
    net = {"kind": "mlp", "width": WIDTH, "depth": DEPTH, "activation": "selu"}
    training = Training(net=net, iterations=10**6, batch_size=N, lr=1e-3)
    turn = itertools.count()

    def pairs(_):
        x0, x1 = ends[next(turn) % BATCHES]
        return x0, paired(x0, x1)

    learner = Regression(
        initialise(training.net, (2,), SEED), straight_objective(pairs), training, None
    )
    return lambda k: learner.step(k, stream(SEED, "bench train", k))


def theirs(ends: list[tuple[Tensor, Tensor]], matcher) -> Step:
    """torchcfm's loop, as its notebooks in the plane write it."""
    from torchcfm.models.models import MLP

    model = MLP(dim=2, time_varying=True, w=WIDTH)
    optimiser = torch.optim.Adam(model.parameters())

    def step(k: int) -> None:
        x0, x1 = ends[k % BATCHES]
        optimiser.zero_grad()
        t, xt, ut = matcher.sample_location_and_conditional_flow(x0, x1)
        vt = model(torch.cat([xt, t[:, None]], dim=-1))
        loss = torch.mean((vt - ut) ** 2)
        loss.backward()
        optimiser.step()

    return step


def products() -> Step:
    """The products of a step's forward and backward pass, and nothing else."""
    widths = [3, *[WIDTH] * DEPTH, 2]
    numbers = stream(SEED, "bench products")
    layers = [
        (numbers.normal(N, a), numbers.normal(a, b), numbers.normal(N, b))
        for a, b in itertools.pairwise(widths)
    ]

    def step(_: int) -> None:
        for x, w, g in layers:
            torch.mm(x, w)
            torch.mm(x.T, g)
        for _x, w, g in layers[1:]:  # nobody asks for the gradient in the points
            torch.mm(g, w.T)

    return step


def _cost(x0: Tensor, x1: Tensor) -> np.ndarray:
    return (torch.cdist(x0.double(), x1.double()).square() / 2).numpy()


def _in_turn(works: dict[str, Step]) -> dict[str, float]:
    """Milliseconds a call of each; a machine that drifts in speed drifts for all."""
    times: dict[str, list[float]] = {name: [] for name in works}
    with bar(len(works) * (ROUNDS + 1), "rounds") as progress:
        for k in range(ROUNDS + 1):
            for name, work in works.items():
                calls, began = 0, time.perf_counter()
                while (passed := time.perf_counter() - began) < ROUND_S:
                    work(calls)
                    calls += 1
                if k:  # the first round warms up
                    times[name].append(1e3 * passed / calls)
                progress.update()
    return {name: median(found) for name, found in times.items()}

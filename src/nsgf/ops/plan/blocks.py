"""Pieces of the work of real jobs, timed in a process of their own.

Each calls the code that jobs call, at the sizes of quick, on inputs that need no files. Times are
CPU seconds on one thread: waiting for a core or for a disk does not count, so that a machine with
other work on it is measured nearly as a quiet one is. `start` is the interpreter with all imports.
"""

import json
import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from nsgf import numerics
from nsgf.config.compute import Compute
from nsgf.config.train import Training
from nsgf.data.problem import open_problem
from nsgf.device import set_up
from nsgf.flows.gram import gram_flow
from nsgf.flows.sinkhorn import sinkhorn_flow
from nsgf.lifeline import die_with_parent
from nsgf.metrics.frechet import frechet_distance, moments
from nsgf.ot.exact import squared_w2
from nsgf.registry import NETWORKS, module_of
from nsgf.rng import Stream, stream
from nsgf.train.learner import Lesson, learner_of

SEED = 0
N = 256  # particles of a minibatch, and targets
ROUNDS, ROUND_S = 3, 0.02
MLP = {"kind": "mlp", "width": 256, "depth": 3, "activation": "silu"}
UNET = {
    "kind": "unet",
    "channels": 32,
    "depth": 1,
    "multipliers": [1, 2],
    "attention_downsampling": [2],
    "patch": 2,
}


class Spots:
    """A problem of MNIST's size without its files: an image is three bright spots."""

    shape = (1, 28, 28)

    def source(self, n: int, numbers: Stream) -> Tensor:
        return numbers.normal(n, math.prod(self.shape))

    def target(self, n: int, numbers: Stream) -> Tensor:
        side = torch.arange(28.0)
        x, y = (((28 * numbers.uniform(n, 3, 1) - side) / 2.5).square() for _ in range(2))
        light = torch.exp(-x.unsqueeze(2) - y.unsqueeze(3)).sum(1)
        return (2 * light.clamp(max=1) - 1).flatten(1)


def planar_flow(backend: str, steps: int) -> Callable[[], object]:
    """A minibatch flow in the plane, (N, 2)."""
    ends = open_problem("8gaussians", None).minibatch(N, SEED, "calibration")
    return lambda: sinkhorn_flow(ends.x0, ends.y, 0.5, 0.3, steps, backend=backend, scaling=0.8)


def image_flow() -> Callable[[], object]:
    """A minibatch flow of images through inner products, (N, 784)."""
    numbers, problem = stream(SEED, "calibration"), Spots()
    x0, y = problem.source(N, numbers)[None], problem.target(N, numbers)[None]
    return lambda: list(gram_flow(x0, y, 1.0, 0.2, 5))


def training_step(net: dict, problem: object, batch_size: int) -> Callable[[], object]:
    """A step of Adam on the straight objective, with what it draws."""
    compute = Compute(device="cpu", numerics=numerics.asked())
    training = Training(net=net, iterations=1000, batch_size=batch_size, lr=1e-3, decay="cosine")
    device = set_up(compute)
    lesson = Lesson(problem, None, training, device, SEED, ("calibration",), {}, compute)
    learner = learner_of(module_of(NETWORKS["straight"].module), lesson)
    return lambda: learner.step(0, stream(SEED, "calibration", 0))


def spectrum() -> Callable[[], object]:
    """A Frechet distance of features in 384 dimensions."""
    features = stream(SEED, "calibration").normal(2, 512, 384).numpy().astype(np.float64)
    first, second = map(moments, features)
    return lambda: frechet_distance(first, second)


def transport() -> Callable[[], object]:
    """Exact optimal transport between clouds of 512 points in the plane."""
    numbers, problem = stream(SEED, "calibration"), open_problem("8gaussians", None)
    x, y = problem.source(512, numbers), problem.target(512, numbers)
    return lambda: squared_w2(x, y)


BLOCKS: dict[str, Callable[[], Callable[[], object]]] = {
    "newton planar": lambda: planar_flow("newton", 10),
    "newton image": image_flow,
    "geomloss": lambda: planar_flow("geomloss", 2),
    "transport": transport,
    "mlp": lambda: training_step(MLP, open_problem("8gaussians", None), 256),
    "unet": lambda: training_step(UNET, Spots(), 32),
    "spectrum": spectrum,
}


def timed(work: Callable[[], object]) -> float:
    """CPU seconds of one call of `work`, the least of as many as take ROUND_S together."""
    taken: list[float] = []
    while sum(taken) < ROUND_S:
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def rounds() -> Iterator[dict[str, float]]:
    """CPU seconds of the start, then of each block in each of ROUNDS.

    A burst of other work slows down one round, and what is slow in a first call is in none.
    """
    works = {name: block() for name, block in BLOCKS.items()}  # imports what is not yet there
    yield {"start": time.process_time()}
    for work in works.values():
        work()
    for _ in range(ROUNDS):
        yield {name: timed(work) for name, work in works.items()}


if __name__ == "__main__":
    die_with_parent()
    for found in rounds():
        print(json.dumps(found), flush=True)

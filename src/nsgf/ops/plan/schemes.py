"""What the second paper's schemes have to do: their trainings, and how they are measured."""

import math
from collections import Counter
from collections.abc import Mapping

from nsgf.config.train import Training
from nsgf.ops.plan.nets import size_of
from nsgf.registry import NETWORKS, Dataset

PAIRED = ("sw_particles", "sw_grid", "sw_generator")  # whose energy is over pairs of points
ROWS = 5000  # of a table of two classes, about


def amounts_of(network: str, training: Training, data: Dataset) -> Counter | None:
    """How often each rate is due in a training; None for a network of another paper."""
    count, n, d = training.iterations, training.batch_size, math.prod(data.shape)
    options: Mapping = training.options
    if network == "likelihood":
        return Counter({"step mlp": count})
    if network == "langevin":
        return Counter({"step mlp": count, "particle": count * n * d})
    if network == "jko_icnn":
        # The points of step k come through the k maps before it.
        maps = count / options["inner"] / 2
        rows = count * n * size_of(training.net, data.shape).macs
        # A value, and one backward pass for each coordinate of the Hessian.
        return Counter({"step icnn": count, "mac icnn": rows * (3 + d + maps)})
    if not NETWORKS[network].options.endswith(".Sliced"):
        return None
    # Both clouds are drawn; of one there is a slope.
    macs = 4 * count * n * size_of(training.net, data.shape).macs
    found = Counter({f"step {training.net.kind}": count, "mac mlp": macs})
    found["sorted"] = 2 * count * n * options["directions"]
    if network in PAIRED:
        points = getattr(training.net, "side", 0) ** 2 or n
        found["energy pair"] = count * points**2
    if network == "sw_posterior":
        found["likelihood"] = count * n * ROWS
    return found


def measured_of(stage, reference: bool) -> Counter:
    """How often each rate is due in measuring, or in making what is measured against.

    Densities cost by how they are known, which settings of measuring do not tell: a mean of all.
    """
    metrics, sets = stage.metrics, len(stage.sets)
    found = Counter({"file": sets})
    if stage.kind == "logistic":
        if reference:
            found["chain move"] = sets * (metrics.warm_up + metrics.draws)
        return found
    if not reference:
        states = 1 + len(getattr(metrics, "times", ()))
        found["state point"] = sets * states * metrics.n_test
    return found

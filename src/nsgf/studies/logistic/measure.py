"""Posteriors beside a long Markov chain's, and what they predict of rows that were not seen.

accuracy, log_likelihood   of the mixture over the points, on unseen rows (nats a row)
mean_gap, largest_mean_gap over weights, root mean square and largest, of the difference of means
                           in the chain's standard deviations
deviation_gap              root mean square of the ratio of the weights' standard deviations less 1
log_a_gap                  of log a, the difference of means likewise; a point has none
sw2                        sliced W2 of weights to the chain's, in the chain's standard deviations

What stands where other tables have a floor is the chain's own: what it predicts, or one half of its
chains against the other half. Split R-hat and effective sample size stand in the reference.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nsgf.artifact import atomic, read_json, read_npy, read_npz, write_json
from nsgf.config.metrics import EvaluateStage, ReferenceStage
from nsgf.jko import hmc
from nsgf.jko.logistic import predictive
from nsgf.metrics.wasserstein import Measured
from nsgf.ot.directions import directions
from nsgf.ot.sliced_gradient import sliced_wasserstein
from nsgf.rng import stream
from nsgf.studies.logistic.split import Split, split_of

SPREAD = 0.5  # of the chains' starts
PROTOCOL = "80 in 100 rows seen; beside Hamiltonian Monte Carlo"


def reference(settings: ReferenceStage, unit, files) -> None:
    """The chain of every split: its points, thinned, and what it says of itself."""
    dataset, metrics = unit["dataset"], settings.metrics
    points, found = {}, {}
    for seed in sorted({seed for seed, _ in settings.sets}):
        split = split_of(settings.seed, dataset, seed)
        numbers = stream(settings.seed, "chain", dataset, seed)
        start = SPREAD * numbers.normal(metrics.chains, split.posterior.dimension)
        start[:, -1] -= 3  # the prior's log a is about -log 100
        chain = hmc.sample(
            split.posterior.log_density, start, metrics.draws, metrics.warm_up, numbers
        )
        halves = [half.flatten(0, 1) for half in chain.x.chunk(2)]
        thin = [x[torch.linspace(0, len(x) - 1, metrics.kept).long()].float() for x in halves]
        whole = chain.x.flatten(0, 1)
        mean, deviation = whole.mean(0), whole.std(0)
        points[str(seed)] = thin[1].numpy()
        along = _directions(settings, dataset, seed)
        about = _compared(halves[0], halves[1].mean(0), halves[1].std(0), thin, along)
        accuracy, likelihood = predictive(torch.cat(thin), split.x, split.y)
        found[str(seed)] = {
            "mean": mean.tolist(),
            "deviation": deviation.tolist(),
            "accepted": chain.accepted,
            "r_hat": float(chain.r_hat.max()),
            "effective": float(chain.effective.min()),
            "measured": {"accuracy": accuracy, "log_likelihood": likelihood} | about,
        }
    with atomic(files.outputs["arrays"]) as temporary, temporary.open("wb") as file:
        np.savez(file, **points)
    write_json(files.outputs["reference"], found)


class Instrument:
    """Measures the sets of samples of one cell."""

    def __init__(self, settings: EvaluateStage, unit, files):
        self._settings, self._dataset = settings, unit["dataset"]
        self._known = read_json(files.inputs["reference"])
        self._points = files.inputs["arrays"]

    def measure(self, source: Path, of: tuple[int, int]) -> tuple[list[Measured], dict]:
        """What a set of points predicts, and how far it is from the chain."""
        theta, known = torch.from_numpy(read_npy(source)), self._known[str(of[0])]
        split: Split = split_of(self._settings.seed, self._dataset, of[0])
        mean, deviation = (torch.tensor(known[k]).double() for k in ("mean", "deviation"))
        near = theta[: self._settings.metrics.kept], self._thinned(of[0])
        accuracy, likelihood = predictive(theta, split.x, split.y)
        values = {"accuracy": accuracy, "log_likelihood": likelihood} | _compared(
            theta, mean, deviation, near, _directions(self._settings, self._dataset, of[0])
        )
        n = len(theta)
        found = [Measured(k, v, known["measured"][k], PROTOCOL, n) for k, v in values.items()]
        return found, {"r_hat": known["r_hat"], "effective": known["effective"]}

    def _thinned(self, seed: int) -> Tensor:
        """Points of a half of the chains."""
        return torch.from_numpy(read_npz(self._points, str(seed)))


def _directions(settings: ReferenceStage, dataset: str, seed: int):
    """Makes directions in d dimensions, the same for all methods."""
    numbers = stream(settings.seed, "directions", dataset, seed)
    return lambda d: directions("orthogonal", settings.metrics.directions, d, numbers)


def _compared(
    x: Tensor, mean: Tensor, deviation: Tensor, near: Sequence[Tensor], along
) -> dict[str, float]:
    """Points x (n, d) beside a chain's mean and deviation (d,), and some beside as many of its."""
    white = (x.double() - mean) / deviation
    gap, spread = white.mean(0), white.std(0)
    mine, theirs = (((p.double() - mean) / deviation)[:, :-1].float() for p in near)
    apart = sliced_wasserstein(mine, theirs, along(mine.shape[1])).clamp_min(0).sqrt()
    found = {
        "mean_gap": float(gap[:-1].square().mean().sqrt()),
        "largest_mean_gap": float(gap[:-1].abs().max()),
        "deviation_gap": float((spread[:-1] - 1).square().mean().sqrt()),
        "sw2": float(apart),
    }
    return found | ({"log_a_gap": float(gap[-1].abs())} if spread[-1] > 0 else {})

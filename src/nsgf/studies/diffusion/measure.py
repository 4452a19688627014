"""Symmetric Kullback-Leibler divergence of a scheme's states, log10 of nats, beside an oracle's.

Of the state rho and a Gaussian nu: mean over n points of rho of log rho - log nu, plus mean over n
points of nu of log nu - log rho. A normalising flow and maps of convex potentials have a density;
particles are given one by kernels. What stands where other tables have a floor is the oracle: the
divergence of the scheme's own exact steps, which any solver of it would end at.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from nsgf.artifact import write_json
from nsgf.config.metrics import EvaluateStage, ReferenceStage
from nsgf.errors import NsgfError
from nsgf.jko.gaussian import Gaussian, diffusion, jko_step, sw_jko_step, symmetric_kl
from nsgf.jko.icnn import log_density, through
from nsgf.jko.langevin import kernel_density, kernel_draw
from nsgf.jko.measure import Pushforward
from nsgf.metrics.wasserstein import Measured
from nsgf.nets.build import load
from nsgf.registry import DATASETS
from nsgf.rng import Stream, stream
from nsgf.studies.diffusion.target import target_of

LEAST = 1e-12
PROTOCOL = "Monte Carlo, n points of either law"
STEPS = {"sw_jko": sw_jko_step, "jko_icnn": jko_step}  # by network: its scheme's exact step
Draw = Callable[[int, Stream], Tensor]
LogDensity = Callable[[Tensor], Tensor]


def reference(settings: ReferenceStage, unit, files) -> None:
    """There is nothing that all methods are held against: each has an oracle of its own."""
    write_json(files.outputs["reference"], {})


class Instrument:
    """Measures the states of one cell."""

    def __init__(self, settings: EvaluateStage, unit, files):
        self._settings, self._dataset = settings, unit["dataset"]
        self._d = DATASETS[self._dataset].shape[0]
        ((self._network, options),) = settings.parameters["networks"].items()
        self._options: Mapping = options
        self._models = dict(zip(settings.sets, files.inputs["models"], strict=True))

    def measure(self, source: Path, of: tuple[int, int]) -> tuple[list[Measured], dict]:
        """At the times that are asked for against the equation, at the end against its target."""
        target = target_of(self._settings.seed, self._dataset, of[0], self._d)
        states, oracle = load(self._models[of]), self._oracle(target)
        steps = [int(name.removeprefix("step")) for name in states]
        last, found = max(steps), []
        for time in (*self._settings.metrics.times, None):
            step = last if time is None else self._step_at(time, steps)
            if step is None:
                raise NsgfError(
                    f"no state was kept at time {time:g} (metrics.times) of {self._network}",
                    "name times that options.keep_every leaves, or keep more",
                )
            if time is None:
                name, nu = "log10_symkl", target
            else:
                factor = self._d if self._network == "sw_jko" else 1
                name, nu = (
                    f"log10_symkl_t{time:g}",
                    diffusion(Gaussian.standard(self._d), target, factor * time),
                )
            draw, log_density = density_of(states, step)
            numbers = stream(self._settings.seed, "symkl", self._dataset, *of, step)
            n = self._settings.metrics.n_test
            value = divergence(draw, log_density, nu, n, numbers)
            floor = _log10(symmetric_kl(oracle(step), nu)) if oracle else float("nan")
            found.append(Measured(name, _log10(value), floor, PROTOCOL, n))
        return found, {}

    def _step_at(self, time: float, steps: list[int]) -> int | None:
        """The state at a time, if one was kept."""
        tau = self._options["step" if self._network == "langevin" else "tau"]
        at = round(time / tau)
        return at if at in steps and abs(at * tau - time) < 1e-9 * max(1, time) else None

    def _oracle(self, target: Gaussian) -> Callable[[int], Gaussian] | None:
        """States of the scheme's exact steps; None where it has no scheme."""
        if self._network not in STEPS:
            return None
        take, path = STEPS[self._network], [Gaussian.standard(self._d)]

        def at(step: int) -> Gaussian:
            while len(path) <= step:
                path.append(take(path[-1], target, self._options["tau"]))
            return path[step]

        return at


def divergence(draw: Draw, log_density: LogDensity, nu: Gaussian, n: int, numbers: Stream) -> float:
    """Symmetric Kullback-Leibler divergence of a law and a Gaussian, nats."""
    with torch.no_grad():
        x = draw(n, numbers)
        y = (
            nu.mean
            + numbers.normal(n, len(nu.mean)).double() @ torch.linalg.cholesky(nu.covariance).T
        )
        here = log_density(x).double() - nu.log_density(x)
        there = nu.log_density(y) - log_density(y.to(x)).double()
    return float(here.mean() + there.mean())


def density_of(states: Mapping[str, nn.Module], step: int) -> tuple[Draw, LogDensity]:
    """How the state after so many steps is drawn, and its log density, (n, d) to (n,)."""
    by_step = {int(name.removeprefix("step")): net for name, net in states.items()}
    kind, d = next(iter(by_step.values())).built_from[0].kind, _dimension(by_step)
    if kind == "real_nvp":
        family = Pushforward(by_step[step], d)
        return (lambda n, numbers: family.draw(n, numbers).x), family.log_density
    if kind == "points":
        points = by_step[step].x
        return (
            lambda n, numbers: kernel_draw(points, n, numbers),
            lambda x: kernel_density(points, x),
        )
    maps = [by_step[k] for k in sorted(by_step) if k <= step]
    return (
        lambda n, numbers: through(maps, numbers.normal(n, d)),
        lambda x: log_density(maps, x),
    )


def _log10(value: float) -> float:
    """As errors are printed; an estimate may be below 0 by chance."""
    return math.log10(max(value, LEAST))


def _dimension(states: Mapping[int, nn.Module]) -> int:
    return next(iter(states.values())).built_from[1][0]

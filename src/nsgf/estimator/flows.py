"""NSGF as an estimator: points in, samples out, by the pipeline's own stages.

model = NSGF(steps=10).fit(x)   # x (n, *shape), an array or a tensor
new = model.sample(1000, seed=0)
"""

import contextlib
import dataclasses
import inspect
import io
import math
import numbers
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch

from nsgf import numerics
from nsgf.config.base import deciding, part
from nsgf.config.compute import Compute
from nsgf.config.pool import Flow, Pool, PoolStage
from nsgf.config.sample import SampleStage, Sampling
from nsgf.config.train import Training
from nsgf.data.problem import Problem
from nsgf.errors import NsgfError
from nsgf.estimator import stored
from nsgf.estimator.points import points_of, problem_of, seed_of
from nsgf.estimator.work import Work
from nsgf.flows.scale import blur_for, step_size_for
from nsgf.ot import sinkhorn_divergence
from nsgf.registry import METHODS, NETWORKS
from nsgf.rng import stream
from nsgf.stages import sample

MOST = 1 << 29  # bytes of a pool on disk; a larger one is made as training consumes it
MANY = 10_000  # samples from which on drawing shows its progress
FIELD = {"kind": "mlp", "width": 256, "depth": 3, "activation": "silu"}
TIME = {"kind": "phase_mlp"}


def _checked(settings: dict, model, what: str):
    """Settings as `model`.

    Raises:
        NsgfError: they are not possible.
    """
    try:
        return part(settings, model)
    except ValueError as error:
        raise NsgfError(f"settings {what}: {error}", "see help(nsgf.NSGF)") from error


class NSGF:
    """Neural Sinkhorn Gradient Flow (arXiv:2401.14069), in the manner of scikit-learn.

    Args:
        blur: square root of the entropic regularisation, in standardised units; "auto" takes a
            tenth of the target's spread.
        steps: Euler steps T of the flow, and network evaluations a sample.
        step_size: eta; "auto" leaves 3 % of the way (`nsgf.flows.scale`); "arriving" takes
            1 / (T - k) at step k, so that the last one arrives.
        standardise: "each", every coordinate by its own deviation; "one", all by one number;
            "none"; "auto" is each for vectors and one for points of more axes. What comes out is in
            data units.
        net: settings of the velocity network, as a preset's `networks.*.net`.
        iterations, batch_size, lr: optimiser steps; points of a minibatch, of a training step and
            of a flow alike; Adam's rate, which falls to 0 by a cosine.
        batches: minibatch flows in the pool.
        seed, training: all random numbers follow from them; trainings of one seed are independent.
        device: "auto", "cpu" or "cuda". threads: of the CPU; as torch has them by default.
        verbose: whether progress and what was chosen are shown, on standard error.

    Attributes:
        blur_, step_size_: what was taken. shape_: of one point.

    Fitting again after a kill goes on where that was; it needs the same points and settings.
    """

    method, left = "nsgf", 0.03

    def __init__(
        self,
        blur="auto",
        steps=10,
        step_size="auto",
        *,
        standardise="auto",
        net=None,
        iterations=3000,
        batch_size=256,
        batches=64,
        lr=5e-3,
        seed=0,
        training=0,
        device="auto",
        threads=None,
        verbose=True,
    ):
        given = dict(locals())
        for name in NSGF._names():
            setattr(self, name, given[name])

    # ------------------------------------------------------------------------------ settings

    @classmethod
    def _names(cls) -> list[str]:
        return [n for n in inspect.signature(cls.__init__).parameters if n != "self"]

    def get_params(self, deep: bool = True) -> dict:
        """Arguments by name, as scikit-learn asks for them."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params):
        """Change arguments; what is fitted stays as it is.

        Raises:
            NsgfError: there is no such argument.
        """
        for name, value in params.items():
            if name not in self._names():
                raise NsgfError(
                    f"{type(self).__name__} has no '{name}'", f"known: {', '.join(self._names())}"
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        default = type(self)().get_params()
        changed = [f"{n}={v!r}" for n, v in self.get_params().items() if v != default[n]]
        return f"{type(self).__name__}({', '.join(changed)})"

    # --------------------------------------------------------------------------------- fitting

    def fit(self, x, source=None):
        """Learn to turn the source into the law of `x`.

        Args:
            x: points (n, *shape), an array or a tensor; or the name of a law of nsgf.registry.
            source: starting points (m, *shape) in data units; N(0, I) in standardised units if
                None.

        Raises:
            NsgfError: points or settings are not possible, or the flow does not descend.
            NotConverged: a velocity of the flow stayed above its tolerance.
        """
        seed = seed_of(self.seed, "seed")
        problem, name, digest = problem_of(x, source, self.standardise)
        y, auto = problem.target(1024, stream(seed, "scale", name)), self.step_size == "auto"
        blur = blur_for(y) if self.blur == "auto" else self.blur
        flow = {"steps": self.steps, "blur": blur, "step_size": 1 if auto else self.step_size}
        flow = _checked(flow, Flow, "of the flow")
        if auto:
            eta = step_size_for(self.steps, self.left)
            flow = flow.model_copy(update={"step_size": eta})
        size = 8 * self.batches * self.steps * self.batch_size * math.prod(problem.shape)
        pool = {"batch_size": self.batch_size, "batches": self.batches}
        pool["storage"] = "streaming" if size > MOST else "points"
        stage = PoolStage(
            seed=self.seed,
            flow=flow,
            pool=_checked(pool, Pool, "of the pool"),
            compute=self._compute(),
        )
        networks = METHODS[self.method].networks
        trainings = {name: self._training(name, problem.shape) for name in networks}
        unit = {"dataset": name, "seed": seed_of(self.training, "training")}
        kept = tempfile.TemporaryDirectory()
        with tempfile.TemporaryDirectory() as folder, self._shown():
            chosen = f"blur {flow.blur:g}, {flow.steps} steps of {flow.sizes[0]:g}"
            chosen += " and more" if flow.step_size == "arriving" else ""
            print(f"nsgf: {chosen}, in standardised units", file=sys.stderr)
            work = Work(problem, unit, digest, stage, Path(folder, "shard0"), Path(kept.name))
            for network, training in trainings.items():
                work.train(network, training)
        self._tensors = isinstance(x, torch.Tensor)
        self._take(problem, unit, stage.flow, kept)
        return self

    def _compute(self) -> Compute:
        threads = self.threads or torch.get_num_threads()
        settings = {"device": self.device, "threads": threads, "numerics": numerics.asked()}
        return _checked(settings, Compute, "of the device")

    def _training(self, network: str, shape: tuple[int, ...]) -> Training:
        settings = {
            "net": TIME if NETWORKS[network].role == "time" else self.net or FIELD,
            "iterations": self.iterations,
            "batch_size": self.batch_size,
            "lr": self.lr,
            "decay": "cosine",
        }
        training = _checked(settings, Training, f"of network '{network}'")
        try:
            training.net.check(shape)
        except ValueError as error:
            raise NsgfError(f"network '{network}': {error}", "give another net") from error
        return training

    # -------------------------------------------------------------------------------- samples

    def sample(self, n: int = 1, seed: int = 0):
        """`n` new points (n, *shape), data units; the same for the same seed."""
        return self._given_back(self._draw(n, seed).x.unflatten(1, self.shape_))

    def flow(self, x0):
        """Whole paths (steps + 1, n, *shape), data units, from starting points x0 (n, *shape).

        Starting points are standard normal ones, or in data units where `fit` was given a source.
        """
        problem = self._fitted()
        starts = torch.from_numpy(points_of(x0, "x0", problem.shape, least=1)).flatten(1)
        drawn = self._draw(len(starts), 0, problem.start(starts))
        return self._given_back(drawn.path.unflatten(2, self.shape_))

    def score(self, y, seed: int = 0) -> float:
        """`distance` of as many samples from points y (n, *shape): lower is better.

        What a perfect model scores falls with the number of points: compare scores at equal n
        alone, over some seeds, and with the distance of as many points that were learnt from.
        """
        y = points_of(y, "y", self._fitted().shape)
        return self.distance(self.sample(len(y), seed), y)

    def distance(self, x, y) -> float:
        """sqrt(2 S) at `blur_` between points x (n, *shape) and y (m, *shape), debiased.

        About the W2 distance, in standardised units.
        """
        problem = self._fitted()
        x, y = (
            torch.from_numpy(points_of(points, name, problem.shape)).flatten(1)
            for name, points in (("x", x), ("y", y))
        )
        divergence = sinkhorn_divergence(problem.standard(x), problem.standard(y), self.blur_)
        return math.sqrt(2 * max(0.0, float(divergence)))

    def _fitted(self) -> Problem:
        if not hasattr(self, "_problem"):
            raise NsgfError(f"this {type(self).__name__} is not fitted", "call fit(x) first")
        return self._problem

    def _draw(self, n: int, seed: int, x0: torch.Tensor | None = None):
        """`n` samples as a Batch; with starting points x0 (n, d), their paths too."""
        self._fitted()
        if not isinstance(n, numbers.Integral) or n < 1:
            raise NsgfError(f"cannot draw {n!r} points", "ask for a whole number of at least 1")
        at_once = {} if x0 is None else {"batch_size": n, "path_samples": n}
        # A set has two samples at least; the first of them is what one alone would be.
        sampling = {"n_samples": max(n, 2)} | at_once | self._sampling()
        method = METHODS[self.method]
        settings = SampleStage(
            seed=self.seed,
            method=self.method,
            nfe=None if method.two_phase else self._flow.steps,
            flow=self._flow,
            sampling=_checked(sampling, Sampling, "of sampling"),
            compute=self._compute(),
        )
        models = {name: Path(self._kept.name, f"{name}.safetensors") for name in method.networks}
        with tempfile.TemporaryDirectory() as state, self._shown(n > MANY):
            files = SimpleNamespace(inputs=models, outputs={}, state=Path(state))
            unit = self._unit | {"sample": seed_of(seed, "seed")}
            drawn, _ = sample.draw(settings, unit, files, self._problem, x0)
        return dataclasses.replace(drawn, x=drawn.x[:n])

    @contextlib.contextmanager
    def _shown(self, long: bool = True):
        """What is shown on the way: nothing where that was not asked, or is over at once."""
        if self.verbose and long:
            yield
        else:
            with contextlib.redirect_stderr(io.StringIO()):
                yield

    def _sampling(self) -> dict:
        return {}

    def _given_back(self, x: torch.Tensor):
        return x if self._tensors else x.numpy()

    # -------------------------------------------------------------------------------- storing

    def save(self, path) -> None:
        """Write all that samples need, as one file.

        Starting points of one's own are in it, points that were learnt from are not.
        """
        problem = self._fitted()
        about = {"class": type(self).__name__, "params": self.get_params(), "unit": self._unit}
        about |= {"flow": deciding(self._flow), "tensors": self._tensors}
        models = sorted(Path(self._kept.name).glob("*.safetensors"))
        stored.save(Path(path), about, models, problem)

    @classmethod
    def load(cls, path):
        """Read what `save` wrote.

        Raises:
            NsgfError: it is missing, damaged, or of another class.
        """
        kept = tempfile.TemporaryDirectory()
        about, problem = stored.load(Path(path), Path(kept.name))
        if about.get("class") != cls.__name__:
            raise NsgfError(
                f"'{path}' is of class {about.get('class')}, not {cls.__name__}", "read it by that"
            )
        model = cls(**about["params"])
        model._take(problem, about["unit"], _checked(about["flow"], Flow, f"of '{path}'"), kept)
        model._tensors = about["tensors"]
        return model

    def _take(self, problem: Problem, unit: dict, flow: Flow, kept) -> None:
        """What is fitted: to what, with which flow, and where networks lie."""
        self._problem, self._unit, self._flow, self._kept = problem, unit, flow, kept
        self.blur_, self.step_size_, self.shape_ = flow.blur, flow.step_size, problem.shape

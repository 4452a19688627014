"""Random streams, networks and samplers: what the device makes of the same seed and weights."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.config.sample import SampleStage, Sampling
from nsgf.nets.build import initialise
from nsgf.registry import DATASETS, METHODS, module_of
from nsgf.rng import stream
from nsgf.sample.run import Task
from tests.gpu.pieces import ROOT

PAPER = load(ROOT / "config/paper.yaml", Preset)
NETS = [
    (name, network)
    for name, networks in (("moons", ["straight"]), ("mnist", ["velocity", "phase", "classifier"]))
    for network in networks
] + [("cifar10", "velocity"), ("cifar10", "phase")]


def study_of(dataset: str):
    return next(s for s in PAPER.studies.values() if dataset in s.datasets)


def network(dataset: str, name: str):
    """A network of the paper whose every weight is away from zero, as after training."""
    shape = DATASETS[dataset].shape
    net = initialise(study_of(dataset).networks[name].net, shape, 0, name).eval()
    numbers = stream(1, dataset, name)
    with torch.no_grad():
        for weight in net.parameters():
            weight += 0.02 * numbers.normal(*weight.shape)
    return net


@pytest.mark.parametrize("high", [2, 60_000, 10**12], ids=str)
def test_whole_numbers_are_the_same_bits(high, device, there):
    draws = [("integers", high, 4099), ("uniform", 4099), ("permutation", 999)]
    for draw, *words in draws:
        expected = getattr(stream(3, "a"), draw)(*words)
        found = there(lambda: getattr(stream(3, "a", device=device), draw)(*words))  # noqa: B023
        assert torch.equal(found.cpu(), expected)


def test_normals_are_within_two_last_places(device, there, record_property):
    expected = stream(3, "b").normal(1 << 16).numpy()
    found = there(lambda: stream(3, "b", device=device).normal(1 << 16)).cpu().numpy()
    places = np.abs(found - expected) / np.spacing(np.abs(expected))
    record_property("relative_error", float(np.abs(found / expected - 1).max()))
    assert places.max() <= 2


@pytest.mark.parametrize(("dataset", "name"), NETS)
def test_networks_and_their_gradients(dataset, name, there, agree):
    net, d = network(dataset, name), math.prod(DATASETS[dataset].shape)
    x, t = stream(2).normal(4, d), stream(3).uniform(4)
    given = (x, t) if name in ("straight", "velocity") else (x,)

    def both(net, *given):
        net.zero_grad()
        out = net(*given)
        mse_loss(out, torch.ones_like(out)).backward()
        gradients = [p.grad.flatten().cpu() for p in net.parameters()]
        return out.detach().cpu(), torch.cat(gradients)

    expected, found = both(net, *given), there(both, net, *given)
    for one, other in zip(found, expected, strict=True):
        agree(one, other)


@pytest.mark.parametrize(
    ("method", "solver", "nfe"),
    [("nsgf", "euler", 10), ("fm", "rk4", 8), ("fm", "dopri5", 1), ("nsgf++", "euler", None)],
    ids=str,
)
def test_samplers(method, solver, nfe, there, agree):
    dataset = "mnist" if method == "nsgf++" else "moons"
    study, entry = study_of(dataset), METHODS[method]
    stage = SampleStage(
        seed=0,
        method=method,
        nfe=nfe,
        flow=study.flow,
        sampling=Sampling(solver=solver, omega=0.25),
        compute=study.compute,
    )

    def drawn(x0, **nets):
        networks = {name: {"net": net} for name, net in nets.items()}
        with torch.no_grad():
            return module_of(entry.sampler).draw(Task(networks, stage, nfe), x0, None)

    nets = {name: network(dataset, name) for name in entry.networks}
    x0 = stream(4).normal(8, math.prod(DATASETS[dataset].shape))
    expected = drawn(x0, **nets)
    found = there(drawn, x0, **nets)
    assert found.rows == expected.rows or solver == "dopri5"  # which may halve a step on rounding
    agree(found.x, expected.x)

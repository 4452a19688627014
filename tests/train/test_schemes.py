"""Learners of the schemes in steps of time: what they keep, and that they go on bit for bit."""

from types import SimpleNamespace

import pytest
import torch

from nsgf.config.compute import Compute
from nsgf.config.train import Training
from nsgf.registry import DATASETS, NETS, module_of
from nsgf.rng import stream
from nsgf.studies.aggregation import catalogue as gathering
from nsgf.studies.diffusion import catalogue as diffusing
from nsgf.studies.diffusion.target import potential_of, slope_of, target_of
from nsgf.train.learner import Lesson
from nsgf.train.loop import train
from nsgf.train.steps import step_of

CASES = {  # settings, and the steps that are kept
    "sw_jko": (
        {
            "net": {"kind": "real_nvp", "couplings": 2, "width": 8},
            "iterations": 20,
            "options": {"tau": 0.1, "inner": 4, "directions": 8, "keep_every": 2},
        },
        [0, 2, 4, 5],
    ),
    "jko_icnn": (
        {
            "net": {"kind": "icnn", "width": 8},
            "iterations": 20,
            "options": {"tau": 0.1, "inner": 5},
        },
        [1, 2, 3, 4],
    ),
    "langevin": (
        {
            "net": {"kind": "points", "count": 16},
            "iterations": 20,
            "options": {"step": 0.01, "keep_every": 8},
        },
        [0, 8, 16, 20],
    ),
}
for family, net in {
    "particles": {"kind": "points", "count": 16},
    "grid": {"kind": "grid", "side": 6, "half": 1.5},
    "generator": {"kind": "generator", "width": 8, "depth": 1},
}.items():
    options = {"tau": 0.05, "inner": 4, "directions": 8, "keep_every": 2, "noise": "common"}
    CASES[f"sw_{family}"] = (
        {"net": net, "iterations": 20, "options": options, "lr": 0.2},
        [0, 2, 4, 5],
    )


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """Networks and problems of the studies."""
    for catalogue in (diffusing, gathering):
        for name, module in catalogue.NETS.items():
            monkeypatch.setitem(NETS, name, module)
        for name, entry in catalogue.DATASETS.items():
            monkeypatch.setitem(DATASETS, name, entry)


def lesson(name: str) -> tuple[Lesson, Training]:
    settings = {"batch_size": 16, "lr": 0.01, "log_every": 5, "checkpoint_every": 7}
    training = Training(**settings | CASES[name][0])
    dataset = "annulus" if name in gathering.NETWORKS else "gaussian-3"
    names = ("train", name, dataset, 1)
    problem = SimpleNamespace(shape=(2 if name in gathering.NETWORKS else 3,))
    cpu = torch.device("cpu")
    return Lesson(problem, None, training, cpu, 5, names, {}, Compute(device="cpu")), training


def learnt(name: str, folder, stop: int | None = None):
    """A training; one that is stopped leaves its last checkpoint."""
    given, training = lesson(name)
    known = diffusing.NETWORKS | gathering.NETWORKS
    learner = module_of(known[name].module).learner(given)
    if stop is not None:
        plain = learner.step

        def step(k, numbers):
            if k == stop:
                raise KeyboardInterrupt
            return plain(k, numbers)

        learner.step = step
        with pytest.raises(KeyboardInterrupt):
            train(learner, training, 5, given.names, folder, "test", name)
        return None
    run = train(learner, training, 5, given.names, folder, "test", name)
    return learner.modules, run


@pytest.mark.parametrize("name", CASES)
def test_a_killed_run_goes_on_bit_for_bit_and_keeps_the_same_states(name, tmp_path):
    whole, _ = learnt(name, tmp_path / "whole")
    learnt(name, tmp_path / "killed", stop=17)
    again, run = learnt(name, tmp_path / "killed")
    assert run.resumed_at == 14
    assert [step_of(key) for key in whole] == CASES[name][1]
    assert whole.keys() == again.keys()
    for key, net in whole.items():
        mine, theirs = net.state_dict(), again[key].state_dict()
        assert all(torch.equal(mine[part], theirs[part]) for part in mine), key
    assert len(run.curve) == 4


def test_a_targets_potential_and_slope_are_its_densitys():
    target, x = target_of(5, "gaussian-3", 1, 3), stream(1).normal(7, 3).double()
    gap = potential_of(target)(x) + target.log_density(x)
    torch.testing.assert_close(gap, gap[:1].expand(7))
    at = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(potential_of(target)(at).sum(), at)
    torch.testing.assert_close(slope, slope_of(target)(x))
    assert not torch.equal(target.mean, target_of(5, "gaussian-3", 2, 3).mean)


def test_a_cloud_under_a_drift_starts_and_stays_centred(tmp_path):
    """By chance alone it would be a quarter of its spread off."""
    states, _ = learnt("sw_particles", tmp_path)
    for net in states.values():
        torch.testing.assert_close(net.x.mean(0), torch.zeros(2), rtol=0, atol=1e-5)
        assert net.x.std() > 0.1

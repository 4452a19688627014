"""Baselines of Table 1: their objectives against torchcfm and closed forms, and what they keep."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from nsgf.config.compute import Compute
from nsgf.config.published import published_of
from nsgf.config.sample import SampleStage
from nsgf.config.train import Training
from nsgf.data.problem import open_problem
from nsgf.nets.build import build, initialise, load, save
from nsgf.nets.mlp import Config as MLPNet
from nsgf.nets.potential_mlp import Config as Potential
from nsgf.registry import METHODS, module_of
from nsgf.rng import stream
from nsgf.sample import moves as sample_moves
from nsgf.sample.run import StatePath, Task
from nsgf.train import ept, interpolant, jko_flow, reflow
from nsgf.train.learner import Lesson, learner_of
from nsgf.train.loop import train

SHIFT = 0.5  # of one Gaussian against the other, standard deviations


def lesson(network: str, problem=None, others=None, **changes) -> Lesson:
    net = Potential if network == "ept" else MLPNet
    base = {"net": net(width=32, depth=2), "iterations": 40, "batch_size": 64, "lr": 1e-3}
    return Lesson(
        problem or open_problem("moons", None),
        None,
        Training(**base | {"log_every": 10, "checkpoint_every": 7} | changes),
        torch.device("cpu"),
        3,
        ("train", network),
        others or {},
        Compute(device="cpu"),
    )


def test_the_curved_interpolation_is_torchcfms():
    from torchcfm.conditional_flow_matching import (
        VariancePreservingConditionalFlowMatcher as Theirs,
    )

    x0, x1, t = torch.randn(8, 2), torch.randn(8, 2), torch.rand(8)
    _, at, target = Theirs(sigma=0.0).sample_location_and_conditional_flow(x0, x1, t=t)
    assert_close(interpolant.trigonometric(x0, x1, t), (at, target))


class Points:
    """From N(0, I) to N((0, 6), I), shape (2,)."""

    shape = (2,)

    def source(self, n, numbers):
        return numbers.normal(n, 2)

    def target(self, n, numbers):
        return numbers.normal(n, 2) + torch.tensor([0.0, 6.0])


class Shift(nn.Module):
    """v(x, t) = (1, 1) but for the first half of time, when it is 0."""

    def forward(self, x, t):
        return (t >= 0.5).float().unsqueeze(1).expand_as(x)


def test_euler_takes_points_where_the_flow_does():
    x = torch.randn(9, 2)
    assert_close(reflow.carried(Shift(), x, 10), x + 0.5)
    assert_close(reflow.carried(Shift(), x, 1), x)  # one step looks at t = 0 alone


def test_reflow_learns_the_last_flows_pairs_and_nothing_else():
    """Pairs are of one displacement, whatever the target is, so that one constant has no loss."""
    before = initialise(MLPNet(width=32, depth=2), (2,), 0)
    with torch.no_grad():
        for p in before.parameters():
            p.zero_()
        before.layers[-1].bias += torch.tensor([2.0, -1.0])
    asked = lesson("reflow_2", Points(), {"straight": {"net": before}}, options={"pairs": 500})
    learner = reflow.learner(asked)
    assert_close(float(learner.step(0, stream(1))["loss"]), 0.0, atol=1e-10, rtol=0)
    for mine, theirs in zip(learner.modules["net"].parameters(), before.parameters(), strict=True):
        assert_close(mine, theirs, atol=2e-3, rtol=0)  # it begins at the last flow's weights
        assert mine is not theirs


def test_reflow_makes_paths_straighter():
    """Mean squared distance from the chord, of a flow of moons and of the flow learnt from it."""
    problem = open_problem("moons", None)
    first = lesson("straight", iterations=600, lr=5e-3)
    learner = learner_of(module_of("nsgf.train.straight"), first)
    for k in range(600):
        learner.step(k, stream(5, k))
    again = lesson("reflow_2", None, {"straight": learner.modules}, iterations=600, lr=2e-3)
    straighter = reflow.learner(again)
    for k in range(600):
        straighter.step(k, stream(6, k))
    x = problem.source(2000, stream(7))
    bends = []
    for net in (learner.modules["net"], straighter.modules["net"]):
        half = reflow.carried(lambda y, t, net=net: net(y, t / 2) / 2, x, 20)
        whole = reflow.carried(net, x, 40)
        bends.append(float((half - (x + whole) / 2).square().sum(1).mean()))
    assert bends[1] < bends[0] / 3


def gaussians(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Particles of N(SHIFT, 1) and target points of N(0, 1), (n, 1)."""
    return stream(0).normal(n, 1) + SHIFT, stream(1).normal(n, 1)


def true_ratio(x: torch.Tensor) -> torch.Tensor:
    """q / p = exp(m x - m^2 / 2)."""
    return (SHIFT * x - SHIFT**2 / 2).exp().squeeze(1)


def test_the_ratios_loss_is_the_closed_form_of_two_gaussians():
    """E_p r^2 = E_q r = exp(m^2), and E_p |r'|^2 = m^2 exp(m^2); the true ratio minimises it."""
    x, y = gaussians(1_000_000)
    most = math.exp(SHIFT**2)

    def loss(ratio, penalty=0.0) -> float:
        return float(ept.ratio_loss(ratio, x, y, penalty).detach())

    assert_close(loss(true_ratio), -most, rtol=5e-3, atol=0)
    assert_close(loss(true_ratio, 0.7), -most + 0.7 * SHIFT**2 * most, rtol=5e-3, atol=0)
    for wrong in (lambda z: true_ratio(z) + 0.1, lambda z: 0.9 * true_ratio(z)):
        # Worse by E (wrong - r)^2: .01, and .01 exp(m^2).
        assert loss(wrong) > loss(true_ratio) + 0.005


def test_the_gap_is_twice_jensen_shannon_less_log_4_at_the_log_ratio():
    x, y = gaussians(1_000_000)
    grid = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
    one, two = ((-((grid - m) ** 2) / 2).exp() / math.sqrt(2 * math.pi) for m in (SHIFT, 0.0))
    mean = (one + two) / 2
    kl = [torch.trapezoid(d * (d / mean).log(), grid) for d in (one, two)]
    jensen_shannon = float(sum(kl)) / 2
    height = lambda z: true_ratio(z).log()  # noqa: E731
    found = float(jko_flow.gap(height(x), height(y)))
    assert_close(found, 2 * jensen_shannon - math.log(4), rtol=1e-3, atol=0)
    assert float(jko_flow.gap(1.3 * height(x), 1.3 * height(y))) < found - 1e-3


def test_a_potentials_field_is_its_negative_gradient():
    net = build(Potential(width=16, depth=2, activation="silu", step_size=0.3), (2,)).double()
    x, h = torch.randn(5, 2, dtype=torch.float64), 1e-5
    with torch.no_grad():  # as in sampling
        field = net(x, torch.zeros(5))
        for axis in range(2):
            e = h * torch.eye(2, dtype=torch.float64)[axis]
            slope = (net.height(x + e) - net.height(x - e)) / (2 * h)
            assert_close(field[:, axis], -0.3 * slope, rtol=1e-6, atol=1e-9)


def trained(network: str, folder, **changes):
    """A finished training, and where it was stored."""
    asked = lesson(network, Points(), **changes)
    learner = learner_of(module_of(f"nsgf.train.{network}"), asked)
    train(learner, asked.training, 3, asked.names, folder, "a test", "test")
    save(folder / "moves.safetensors", learner.modules)
    return learner, folder / "moves.safetensors"


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        ("ept", {"iterations": 600, "net": Potential(width=32, depth=2, step_size=1.0)}),
        ("jko_flow", {"iterations": 1500, "lr": 3e-3}),
    ],
)
def test_moves_take_fresh_points_to_the_target(tmp_path, network, changes):
    options = {"steps": 10, "particles": 2000}
    options |= {"proximal_step": 20.0} if network == "jko_flow" else {"penalty": 0.1}
    _, file = trained(network, tmp_path, options=options, **changes)
    method = {"ept": "ept", "jko_flow": "jko-flow"}[network]
    stage = {"seed": 0, "method": method, "nfe": 10, "flow": None}
    stage |= {"sampling": {}, "compute": {"device": "cpu"}}
    task = Task({network: load(file)}, SampleStage(**stage), 10)
    x0, path = torch.randn(500, 2), StatePath(4)
    with torch.no_grad():
        drawn = sample_moves.draw(task, x0, path)
    assert (drawn.rows, drawn.most, len(path.x)) == (500 * 10, 10, 11)
    start, end = (float((x.mean(0) - torch.tensor([0.0, 6.0])).norm()) for x in (x0, drawn.x))
    assert end < start / 2


@pytest.mark.parametrize("network", ["ept", "jko_flow"])
def test_a_killed_training_of_moves_resumes_bit_for_bit(tmp_path, monkeypatch, network):
    from nsgf.train.moves import MovesLearner

    options = {"steps": 6, "particles": 200}
    (tmp_path / "whole").mkdir()
    _, whole = trained(network, tmp_path / "whole", options=options)
    left, real = iter(range(25)), MovesLearner.step

    def until_killed(self, k, numbers):
        next(left)
        return real(self, k, numbers)

    (tmp_path / "killed").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(MovesLearner, "step", until_killed)
        with pytest.raises(StopIteration):
            trained(network, tmp_path / "killed", options=options)
    learner, resumed = trained(network, tmp_path / "killed", options=options)
    assert list(learner.modules) == [f"move{j}" for j in range(6)]
    assert resumed.read_bytes() == whole.read_bytes()


def test_every_printed_method_of_table_1_is_there():
    printed = published_of(Path("config/published/nsgf.yaml")).tables["table1"]
    assert {row.method for row in printed.values} <= set(METHODS)

"""Training: one loop, resumed bit for bit; objectives that fit what they claim to fit."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import ot
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from nsgf.config.train import Training
from nsgf.data.problem import open_problem
from nsgf.errors import NsgfError
from nsgf.nets.build import build, initialise, load, save
from nsgf.nets.mlp import Config as MLPNet
from nsgf.ot.coupling import half_squared_distance
from nsgf.rng import stream
from nsgf.train import loop, matching, ot_cfm, straight
from nsgf.train.divergence import trouble
from nsgf.train.learner import Regression, learning_rate
from nsgf.train.loop import curve_csv, train

NET = MLPNet(width=16, depth=2)
ONES = torch.ones(4, 2)
BASE = {"net": NET, "iterations": 40, "batch_size": 32, "lr": 1e-2, "log_every": 7}


class Run(NamedTuple):
    """A finished training."""

    net: nn.Module
    progress: loop.Progress


def run(folder: Path, purpose: object = "a test", **changes) -> Run:
    config = Training(**BASE | {"checkpoint_every": 10} | changes)
    problem = open_problem("moons", None)
    objective = straight.objective(problem, None, config.batch_size)
    net = initialise(config.net, problem.shape, 0, "net")
    learner = Regression(net, objective, config)
    return Run(net, train(learner, config, 1, ("t",), folder, purpose, "test"))


def weights(result: Run) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in result.net.parameters()])


def killed(monkeypatch, folder: Path, steps: int = 25, **changes) -> None:
    """A run whose process dies after some steps."""
    left, real = iter(range(steps)), Regression.step

    def until_killed(self, k, numbers):
        next(left)
        return real(self, k, numbers)

    with monkeypatch.context() as patch:
        patch.setattr(Regression, "step", until_killed)
        with pytest.raises(StopIteration):
            run(folder, **changes)


@pytest.mark.parametrize("changes", [{}, {"ema": 0.9, "clip": 0.5, "warmup": 5, "decay": "cosine"}])
def test_a_killed_run_resumes_bit_for_bit(tmp_path, monkeypatch, capsys, changes):
    whole = run(tmp_path / "whole", **changes)
    killed(monkeypatch, tmp_path / "killed", **changes)
    resumed = run(tmp_path / "killed", **changes)
    assert "resumed test at step 20" in capsys.readouterr().out
    assert resumed.progress.resumed_at == 20
    assert torch.equal(weights(resumed), weights(whole))
    assert curve_csv(resumed.progress) == curve_csv(whole.progress)


def test_a_loss_that_is_not_finite_stops_a_training(tmp_path, monkeypatch):
    monkeypatch.setattr(straight, "straight_objective", lambda pairs: lambda net, *_: _nan(net))
    with pytest.raises(NsgfError, match=r"test diverges: at step 7, lr 0\.01, its loss is nan"):
        run(tmp_path)


def _nan(net: nn.Module) -> torch.Tensor:
    return net(ONES, ONES[:, 0]).sum() * float("nan")


def test_a_checkpoint_of_another_purpose_is_not_taken_up(tmp_path, monkeypatch, capsys):
    """A test of the folder alone would not do: a folder can be copied, or named by an old key."""
    killed(monkeypatch, tmp_path)
    other = run(tmp_path, purpose="another test")
    said = capsys.readouterr().out
    assert "it is of another training" in said
    assert "resumed" not in said
    assert (other.progress.resumed_at, other.progress.step) == (0, 40)
    assert torch.equal(weights(other), weights(run(tmp_path / "whole")))


def test_the_loss_falls_and_the_curve_says_so(tmp_path):
    done = run(tmp_path, iterations=300, log_every=50).progress  # the least loss here is 3.6
    assert [step for step, _ in done.curve] == [50, 100, 150, 200, 250, 300]
    assert done.curve[-1][1]["loss"] < done.curve[0][1]["loss"] - 0.1
    lines = curve_csv(done).splitlines()
    assert lines[0] == "step,loss,lr"
    assert lines[-1].split(",")[::2] == ["300", "0.01"]


def test_learning_rate_warms_up_then_decays_to_zero():
    config = Training(**BASE | {"warmup": 10, "decay": "cosine"})
    assert learning_rate(config, 0) == pytest.approx(1e-3)
    assert learning_rate(config, 9) == learning_rate(config, 10) == pytest.approx(1e-2)
    assert learning_rate(config, 39) < 1e-4
    assert learning_rate(Training(**BASE), 39) == 1e-2


def test_averaged_weights_are_the_exponential_mean():
    config = Training(**BASE | {"iterations": 3, "ema": 0.5})
    net = initialise(NET, (2,), 0)
    mean = [p.detach().clone() for p in net.parameters()]
    learner = Regression(net, lambda net, *_: net(ONES, ONES[:, 0]).square().mean(), config)
    for k in range(3):
        learner.step(k, stream(0))
        mean = [0.5 * m + 0.5 * p.detach() for m, p in zip(mean, net.parameters(), strict=True)]
    learner.finish()
    for averaged, expected in zip(learner.modules["net"].parameters(), mean, strict=True):
        assert_close(averaged, expected)


def test_optimal_pairs_cost_what_exact_transport_costs():
    problem = open_problem("8gaussians", None)
    x0, x1 = problem.source(64, stream(0)), problem.target(64, stream(1))
    order = ot_cfm.optimal_order(x0, x1)
    assert sorted(order.tolist()) == list(range(64))
    cost = half_squared_distance(x0.double(), x1.double())
    ours = cost[torch.arange(64), order].mean()
    assert_close(float(ours), ot.emd2([], [], cost.numpy()), rtol=1e-9, atol=0)


def test_optimal_pairs_match_torchcfms_plan():
    from torchcfm.optimal_transport import OTPlanSampler

    problem = open_problem("moons", None)
    x0, x1 = problem.source(32, stream(2)), problem.target(32, stream(3))
    plan = OTPlanSampler("exact").get_map(x0, x1)
    assert np.array_equal(plan.argmax(1), ot_cfm.optimal_order(x0, x1).numpy())


def test_interpolation_is_torchcfms_with_no_noise():
    from torchcfm.conditional_flow_matching import ConditionalFlowMatcher

    x0, x1, t = torch.randn(8, 2), torch.randn(8, 2), torch.rand(8)
    theirs = ConditionalFlowMatcher(sigma=0.0)
    _, xt, ut = theirs.sample_location_and_conditional_flow(x0, x1, t=t)
    assert_close(matching.interpolate(x0, x1, t), xt)
    assert_close(x1 - x0, ut)


def test_a_perfect_field_has_no_loss():
    """On one pair the straight target is constant, so the constant field is exact."""
    a, b = torch.zeros(5, 2), torch.ones(5, 2)
    loss = matching.straight_objective(lambda _: (a, b))
    assert float(loss(lambda x, t: torch.ones_like(x), stream(0), 0)) == 0


def test_stored_networks_are_the_same_functions_by_their_names(tmp_path):
    nets = {"one": initialise(NET, (2,), 3), "two": initialise(NET, (2,), 4)}
    for name in ("a", "b"):
        save(tmp_path / f"{name}.safetensors", nets)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    x, t = torch.randn(6, 2), torch.rand(6)
    stored = load(tmp_path / "a.safetensors")
    assert list(stored) == ["one", "two"]
    for name, net in nets.items():
        assert torch.equal(stored[name](x, t), net(x, t))
        assert not stored[name].training


@pytest.mark.parametrize("damage", ["cut", "missing", "text"])
def test_a_damaged_network_is_one_message(tmp_path, damage):
    path = tmp_path / "a.safetensors"
    save(path, {"net": initialise(NET, (2,), 3)})
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "missing":
        path.unlink()
    else:
        path.write_text("no network")
    with pytest.raises(NsgfError, match="cannot be read"):
        load(path)


def test_a_checkpoint_loads_without_running_code(tmp_path):
    run(tmp_path, iterations=20)
    assert torch.load(tmp_path / loop.CHECKPOINT, weights_only=True)["step"] == 20


def test_initial_weights_depend_on_their_name_alone():
    torch.manual_seed(1)
    first = initialise(NET, (2,), 0, "a")
    torch.manual_seed(2)
    again, other = initialise(NET, (2,), 0, "a"), initialise(NET, (2,), 0, "b")
    same = [torch.equal(p, q) for p, q in zip(first.parameters(), again.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))
    assert build(NET, (2,)) is not None


def test_an_unreadable_checkpoint_is_dropped_and_the_run_starts_anew(tmp_path, capsys):
    tmp_path.joinpath(loop.CHECKPOINT).write_bytes(b"half a checkpoint")
    again = run(tmp_path)
    assert "dropped unreadable state" in capsys.readouterr().out
    assert again.progress.resumed_at == 0
    assert again.progress.step == 40


@pytest.mark.parametrize(
    ("losses", "ended", "says"),
    [
        ([9.0, 5, 3], False, ""),
        ([1e9, 50, 4] + [3.0] * 12, False, ""),  # what is made good is no divergence
        ([1e9, 40] + [41.0] * 9, False, "its loss is 41, from 10"),
        ([1e9, 40] + [41.0] * 7, False, ""),
        ([9.0, 41], True, "its loss is 41, from 10"),
        ([9.0, float("nan")], False, "its loss is nan"),
        ([float("inf")], False, "its loss is inf"),
    ],
)
def test_divergence_is_a_loss_that_stays_far_above_its_start(losses, ended, says):
    curve = [(10 * k, {"loss": loss, "lr": 1e-3}) for k, loss in enumerate(losses)]
    assert trouble(curve, 10.0, 128, ended) == says


def test_a_training_that_diverges_stops_and_leaves_its_curve(tmp_path):
    changes = {"lr": 0.99, "net": MLPNet(width=64), "batch_size": 256, "iterations": 400}
    said = r"training of test diverges: at step \d+, lr 0\.99"
    with pytest.raises(NsgfError, match=said) as first:
        run(tmp_path, **changes)
    assert first.value.facts["curve"].read_text().startswith("step,loss,lr\n7,")
    with pytest.raises(NsgfError, match=said) as again:  # from a checkpoint, which knows the start
        run(tmp_path, **changes)
    assert again.value.what == first.value.what

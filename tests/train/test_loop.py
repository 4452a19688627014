"""Training: one loop, resumed bit for bit; objectives that fit what they claim to fit."""

import numpy as np
import ot
import pytest
import torch
from torch.testing import assert_close

from nsgf.config.train import MLPNet, Training
from nsgf.data.problem import open_problem
from nsgf.nets.build import build, initialise, load, save
from nsgf.ot.coupling import half_squared_distance
from nsgf.rng import stream
from nsgf.train import loop, matching, ot_cfm, straight
from nsgf.train.loop import TrainingRun, curve_csv, learning_rate, train

NET = MLPNet(width=16, depth=2)
BASE = {"net": NET, "iterations": 40, "batch_size": 32, "lr": 1e-2, "log_every": 7}


def run(tmp_path, **changes):
    config = Training(**BASE | {"checkpoint_every": 10} | changes)
    problem = open_problem("moons", None)
    objective = straight.objective(problem, None, config.batch_size, "cpu")
    net = initialise(config.net, problem.shape, 0, "net")
    return train(net, objective, config, 1, ("t",), tmp_path, "test")


def weights(result: TrainingRun) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in result.net.parameters()])


@pytest.mark.parametrize("changes", [{}, {"ema": 0.9, "clip": 0.5, "warmup": 5, "decay": "cosine"}])
def test_a_killed_run_resumes_bit_for_bit(tmp_path, monkeypatch, capsys, changes):
    whole = run(tmp_path / "whole", **changes)
    steps = iter(range(25))
    real = TrainingRun.advance

    def until_killed(self, loss):
        next(steps)
        real(self, loss)

    monkeypatch.setattr(TrainingRun, "advance", until_killed)
    with pytest.raises(StopIteration):
        run(tmp_path / "killed", **changes)
    monkeypatch.undo()
    resumed = run(tmp_path / "killed", **changes)
    assert "resumed test at step 20" in capsys.readouterr().out
    assert torch.equal(weights(resumed), weights(whole))
    assert curve_csv(resumed) == curve_csv(whole)


def test_the_loss_falls_and_the_curve_says_so(tmp_path):
    curve = run(tmp_path, iterations=300, log_every=50).curve  # the least loss here is 3.6
    assert [point[0] for point in curve] == [50, 100, 150, 200, 250, 300]
    assert curve[-1][1] < curve[0][1] - 0.1


def test_learning_rate_warms_up_then_decays_to_zero():
    config = Training(**BASE | {"warmup": 10, "decay": "cosine"})
    assert learning_rate(config, 0) == pytest.approx(1e-3)
    assert learning_rate(config, 9) == learning_rate(config, 10) == pytest.approx(1e-2)
    assert learning_rate(config, 39) < 1e-4
    assert learning_rate(Training(**BASE), 39) == 1e-2


def test_averaged_weights_are_the_exponential_mean(tmp_path):
    config = Training(**BASE | {"iterations": 3, "ema": 0.5})
    net = initialise(NET, (2,), 0)
    mean, seen = [p.detach().clone() for p in net.parameters()], TrainingRun(net, config)
    for _ in range(3):
        seen.advance(net(torch.ones(4, 2), torch.zeros(4)).square().mean())
        mean = [0.5 * m + 0.5 * p.detach() for m, p in zip(mean, net.parameters(), strict=True)]
    for averaged, expected in zip(seen.finish().parameters(), mean, strict=True):
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
    loss = matching.straight_objective(lambda _: (a, b), "cpu")
    assert float(loss(lambda x, t: torch.ones_like(x), stream(0), 0)) == 0


def test_a_stored_network_is_the_same_function(tmp_path):
    net = initialise(NET, (2,), 3)
    save(tmp_path / "a.safetensors", net, NET, (2,))
    save(tmp_path / "b.safetensors", net, NET, (2,))
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    x, t = torch.randn(6, 2), torch.rand(6)
    assert torch.equal(load(tmp_path / "a.safetensors")(x, t), net(x, t))


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
    assert again.resumed_at == 0
    assert again.step == 40

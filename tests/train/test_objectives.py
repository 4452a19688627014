"""Objectives that fit what they claim: the pool's velocity, the time on the straight path."""

import torch
from torch import nn
from torch.testing import assert_close

from nsgf.config.pool import PoolStage
from nsgf.config.train import Training
from nsgf.data.problem import open_problem
from nsgf.flows.pool import open_pool
from nsgf.nets.build import initialise
from nsgf.nets.mlp import Config as MLPNet
from nsgf.rng import stream
from nsgf.stages import build_pool
from nsgf.train import pairs, phase, velocity
from nsgf.train.learner import Regression
from nsgf.train.loop import train
from nsgf.train.ot_cfm import optimal_order
from tests.tasks import run


def pool_of(flow, tmp_path, monkeypatch):
    """Eight minibatches of 64 particles along a flow to eight Gaussians."""
    monkeypatch.setenv("NSGF_STATE", str(tmp_path / "state"))
    stage = {
        "seed": 0,
        "flow": flow,
        "pool": {"batch_size": 64, "batches": 8},
        "compute": {"device": "cpu"},
    }
    settings = PoolStage.model_validate(stage)
    unit = {"dataset": "8gaussians", "seed": 0, "shard": 0}
    run("build-pool", unit, settings, {}, build_pool.shard_files(tmp_path / "pool", settings))
    problem = open_problem("8gaussians", None)
    return problem, open_pool([tmp_path / "pool"], problem)


def test_the_velocity_network_learns_the_pools_velocity(tmp_path, monkeypatch):
    problem, pool = pool_of({"steps": 4, "step_size": 0.3, "blur": 1.0}, tmp_path, monkeypatch)
    config = Training(
        net=MLPNet(width=64, depth=2), iterations=600, batch_size=128, lr=5e-3, decay="cosine"
    )
    objective = velocity.objective(problem, pool, 128)
    net = initialise(config.net, (2,), 0)
    learner = Regression(net, objective, config)
    train(learner, config, 0, ("v",), tmp_path / "training", "a test", "v")
    draw = pool.draw(2000, stream(9))
    with torch.no_grad():
        left = (net(draw.x, draw.t) - draw.v).square().mean() / draw.v.square().mean()
    assert left < 0.2  # what is left is the spread between minibatches: .05 to .12 over six seeds


def test_the_phase_loss_of_the_true_time_is_zero():
    """Where source and target are two points, the time can be read off exactly."""

    class Line:
        def source(self, n, numbers):
            return torch.zeros(n, 2)

        def target(self, n, numbers):
            return torch.ones(n, 2)

    loss = phase.objective(Line(), None, 16)
    assert_close(loss(lambda x: x.mean(1), stream(0), 0), torch.tensor(0.0))
    assert loss(lambda x: torch.full((len(x),), 0.5), stream(0), 0) > 0.01


def test_a_velocity_batch_is_the_pools_mean_squared_error():
    class Known:
        def draw(self, n, numbers, step):
            from nsgf.flows.pool import Draw

            return Draw(torch.zeros(n, 2), torch.full((n, 2), 3.0), torch.zeros(n))

    loss = velocity.objective(None, Known(), 4)
    zero = nn.Module()
    zero.forward = lambda x, t: torch.zeros_like(x)
    assert float(loss(zero, stream(0), 0)) == 9.0


def test_stored_pairs_are_those_of_ot_cfm(tmp_path, monkeypatch):
    """Row i of minibatch b goes to where OT-CFM would pair it, and to nowhere else."""
    flow = {"steps": 1, "step_size": 1.0, "blur": 0.5, "backend": "exact"}
    problem, pool = pool_of(flow, tmp_path, monkeypatch)
    ends = [problem.minibatch(64, 0, "pool", "8gaussians", 0, b) for b in range(8)]
    start = torch.cat([e.x0 for e in ends])
    goal = torch.cat([e.y[optimal_order(e.x0, e.y)] for e in ends])

    def straight(x, t):  # the loss is at x_0 + t (x_1 - x_0), along which t tells the pair's ends
        at = (start + t[:, None, None] * (goal - start) - x[:, None]).square().sum(2)
        nearest = at.argmin(1)
        assert (at.min(1).values < 1e-9).all()
        return goal[nearest] - start[nearest]

    assert pairs.objective(problem, pool, 100)(straight, stream(5), 0) < 1e-9

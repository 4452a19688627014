"""Sampling: solvers of the right order, NFE counted at the network, the hand-over of NSGF++."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from nsgf.config.sample import SampleStage
from nsgf.errors import NsgfError
from nsgf.sample import flow, straight, two_phase
from nsgf.sample.counted import Counted
from nsgf.sample.files import write_set
from nsgf.sample.ode import integrate_adaptive, integrate_steps, steps_for
from nsgf.sample.run import Task, draw_all

FLOW = {"steps": 5, "step_size": 0.2, "blur": 1.0}


class Field(nn.Module):
    """v(x, t) = -x + cos(3 t): a linear equation with a known solution."""

    def forward(self, x, t):
        return -x + torch.cos(3 * t).unsqueeze(1)


def exact(x0: torch.Tensor, t0: float) -> torch.Tensor:
    """The solution at 1 of x' = -x + cos 3t from x0 at t0."""

    def particular(t):
        t = torch.tensor(t, dtype=torch.float64)
        return (torch.cos(3 * t) + 3 * torch.sin(3 * t)) / 10

    decay = torch.exp(torch.tensor(t0 - 1.0, dtype=torch.float64))
    return particular(1.0) + (x0 - particular(t0)) * decay


def end_error(solver: str, steps: int, t0: float = 0.0) -> float:
    x0 = torch.linspace(-1, 2, 6, dtype=torch.float64).reshape(3, 2)
    start = torch.full((3,), t0, dtype=torch.float64)
    counts = torch.full((3,), steps)
    found = integrate_steps(Field(), x0, start, counts, solver)
    return float((found - exact(x0, t0)).abs().max())


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("rk4", 4)])
@pytest.mark.parametrize("t0", [0.0, 0.4])
def test_solvers_converge_at_their_order(solver, order, t0):
    ratio = end_error(solver, 16, t0) / end_error(solver, 32, t0)
    assert ratio == pytest.approx(2**order, rel=0.15)


def test_the_adaptive_solver_meets_its_tolerance_from_every_start():
    x0 = torch.ones(3, 2, dtype=torch.float64)
    start = torch.tensor([0.0, 0.3, 0.9], dtype=torch.float64)
    found = integrate_adaptive(Field(), x0, start, 1e-8)
    for row, t0 in zip(found, start.tolist(), strict=True):
        assert_close(row, exact(x0[0], t0), atol=1e-6, rtol=0)


def test_each_sample_keeps_its_own_start_and_steps():
    x0, start = torch.randn(3, 2).double(), torch.tensor([0.0, 0.25, 0.8]).double()
    steps = torch.tensor([7, 3, 1])
    together = integrate_steps(Field(), x0, start, steps, "euler")
    for k in range(3):
        alone = integrate_steps(Field(), x0[k : k + 1], start[k : k + 1], steps[k : k + 1], "euler")
        assert_close(together[k : k + 1], alone)


class Predictor(nn.Module):
    """Says that sample i stands at the time that its first coordinate names."""

    def forward(self, x):
        return x[:, 0].clamp(0, 1)


def task(method: str, networks: dict, n: int = 8, nfe: int | None = None, **sampling) -> Task:
    stage = SampleStage.model_validate(
        {
            "seed": 0,
            "method": method,
            "nfe": nfe,
            "flow": FLOW,
            "sampling": {"n_samples": n, "batch_size": 3, "path_samples": 2} | sampling,
            "compute": {"device": "cpu"},
        }
    )
    return Task({name: {"net": net} for name, net in networks.items()}, stage, nfe)


def starts(n: int = 8) -> torch.Tensor:
    return torch.linspace(0, 0.9, n).unsqueeze(1).expand(n, 2).clone()


@pytest.fixture
def run(tmp_path_factory):
    """Draw with a sampler, from the same starting points, in a state folder of its own."""

    def drawn(sampler, given: Task):
        x0 = starts(given.stage.sampling.n_samples)
        folder = tmp_path_factory.mktemp("state")
        return draw_all(sampler.draw, given, x0, folder, "test", lambda count: None)

    return drawn


class Still(nn.Module):
    """A field that moves nothing."""

    def forward(self, x, t):
        return torch.zeros_like(x)


def test_nfe_is_what_passed_through_the_networks(run, tmp_path):
    omega, n = 0.1, 8
    networks = {"velocity": Still(), "straight": Still(), "phase": Predictor()}
    drawn = run(two_phase, task("nsgf++", networks, n, omega=omega))
    handover = torch.linspace(0, 0.9, n)
    steps = two_phase.straight_steps(handover, omega)
    assert drawn.nfe == pytest.approx(5 + steps.double().mean().item())
    assert drawn.most == 5 + int(steps.max())
    assert write_set(tmp_path / "a.npy", [drawn])["handover_mean"] == pytest.approx(0.45, abs=1e-6)
    assert torch.equal(drawn.x, starts(n))  # nothing moved


@given(st.floats(0, 0.999), st.sampled_from([0.01, 0.02, 0.05, 0.1, 1.0]))
def test_straight_steps_are_the_ceiling(t, omega):
    k = int(two_phase.straight_steps(torch.tensor([t]), omega))
    assert k >= 1
    assert (1 - t) / k <= omega * (1 + 1e-3)
    assert k == 1 or (1 - t) / (k - 1) > omega * (1 - 1e-3)


@pytest.mark.parametrize(("t", "omega", "k"), [(0.9, 0.02, 5), (0.0, 0.05, 20), (0.5, 0.3, 2)])
def test_rounding_does_not_buy_a_step(t, omega, k):
    assert int(two_phase.straight_steps(torch.tensor([t]), omega)) == k


def test_the_flow_takes_its_own_steps_and_keeps_its_path(run):
    class Right(nn.Module):
        def forward(self, x, t):
            return torch.ones_like(x)

    drawn = run(flow, task("nsgf", {"velocity": Right()}, nfe=5))
    assert_close(drawn.x, starts() + 1.0)  # 5 steps of 0.2
    assert drawn.nfe == drawn.most == 5
    assert drawn.path.shape == (6, 2, 2)
    assert drawn.times[:, 0].tolist() == [-5, -4, -3, -2, -1, 0]
    assert_close(drawn.path[-1], drawn.x[:2])


def test_a_flow_is_not_run_at_another_nfe(run):
    with pytest.raises(NsgfError, match="as its flow has steps: 5, not 7"):
        run(flow, task("nsgf", {"velocity": Still()}, nfe=7))


@pytest.mark.parametrize(("solver", "nfe"), [("euler", 6), ("rk4", 8)])
def test_fixed_nfe_is_spent_exactly(run, solver, nfe):
    drawn = run(straight, task("fm", {"straight": Still()}, nfe=nfe, solver=solver))
    assert drawn.nfe == drawn.most == nfe
    assert_close(drawn.times[-1], torch.ones(2))


def test_adaptive_nfe_is_counted_not_computed(run):
    field = Field()
    drawn = run(straight, task("fm", {"straight": field}, nfe=1, solver="dopri5"))
    assert drawn.nfe > 6
    counted = Counted(field)
    integrate_adaptive(counted, starts()[:3], torch.zeros(3), 1e-5)
    assert drawn.most >= counted.calls


@pytest.mark.parametrize("rate", [1e30, float("nan")])
def test_a_field_that_no_step_can_follow_is_one_clear_error(rate):
    with pytest.raises(NsgfError, match="no step short enough") as caught:
        integrate_adaptive(lambda x, t: rate * x, torch.ones(3, 2), torch.zeros(3), 1e-5)
    assert "solver euler" in caught.value.mend


def test_rk4_cannot_spend_a_number_that_four_does_not_divide():
    with pytest.raises(NsgfError, match="cannot spend exactly 10"):
        steps_for(10, "rk4")


def test_batches_do_not_change_samples(run):
    small = run(
        two_phase, task("nsgf++", {"velocity": Field(), "straight": Field(), "phase": Predictor()})
    )
    large = run(
        two_phase,
        task(
            "nsgf++",
            {"velocity": Field(), "straight": Field(), "phase": Predictor()},
            batch_size=100,
        ),
    )
    assert_close(small.x, large.x)
    assert small.nfe == large.nfe


def test_a_killed_run_goes_on_after_its_last_batch(tmp_path, capsys):
    given = task("nsgf", {"velocity": Field()}, nfe=5)
    whole = draw_all(flow.draw, given, starts(), tmp_path / "a", "whole", lambda count: None)
    calls = iter(range(2))

    def killed(*words):
        next(calls)
        return flow.draw(*words)

    with pytest.raises(StopIteration):
        draw_all(killed, given, starts(), tmp_path / "b", "killed", lambda count: None)
    again = draw_all(flow.draw, given, starts(), tmp_path / "b", "again", lambda count: None)
    assert "resumed again at step 2" in capsys.readouterr().out
    assert torch.equal(again.x, whole.x)
    assert torch.equal(again.path, whole.path)
    assert again.nfe == whole.nfe

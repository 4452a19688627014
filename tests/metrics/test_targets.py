"""How wrong training targets are: exact ones by no more than float32, GeomLoss's by per cents."""

import pytest
import torch
from torch.testing import assert_close

from nsgf.config.pool import Flow
from nsgf.data.problem import open_problem
from nsgf.flows import sinkhorn_flow
from nsgf.metrics import targets
from nsgf.metrics.targets import Setting, settings_of, target_errors

FLOW = Flow(steps=5, step_size=0.3, blur=0.5)
COARSE, FINE, OURS = settings_of((0.8, 0.95))


@pytest.fixture(scope="module")
def ends():
    problem = open_problem("moons", None).minibatch(128, 1, "test")
    return problem.x0, problem.y


@pytest.fixture(scope="module")
def errors(ends):
    return dict(
        zip((COARSE, FINE, OURS), target_errors(*ends, FLOW, (COARSE, FINE, OURS)), strict=True)
    )


def test_our_float32_velocities_are_exact_to_a_few_parts_in_ten_thousand(errors):
    assert errors[OURS].relative.shape == (FLOW.steps,)
    assert 1e-8 < errors[OURS].relative.max() < 3e-4
    assert_close(errors[OURS].cosine, torch.ones(FLOW.steps, dtype=torch.float64))


def test_geomloss_errs_by_per_cents_and_less_at_a_finer_scaling(errors):
    coarse, fine = errors[COARSE].relative, errors[FINE].relative
    assert ((coarse > 0.01) & (coarse < 0.3)).all()
    assert fine[0] < 0.7 * coarse[0]
    assert fine.mean() < coarse.mean()


def test_the_four_measures_belong_to_one_error(errors):
    for error in errors.values():
        # |v - v*|^2 = |v|^2 - 2 <v, v*> + |v*|^2, in units of |v*|^2.
        lengths = error.gain / error.cosine
        assert_close(error.relative**2, lengths**2 - 2 * error.gain + 1, rtol=1e-6, atol=1e-12)
        assert (error.bias <= error.relative).all()


def test_errors_are_those_of_velocities_made_by_hand(monkeypatch, ends):
    exact = sinkhorn_flow(
        ends[0].double(), ends[1].double(), FLOW.blur, FLOW.step_size, FLOW.steps, tol=1e-9
    )
    # All velocities 10 % too long: the error is parallel, and the bias that of the mean.
    monkeypatch.setattr(targets, "_velocities", lambda *_: 1.1 * exact.v)
    (found,) = target_errors(*ends, FLOW, [OURS])
    tenth = torch.full((FLOW.steps,), 0.1, dtype=torch.float64)
    assert_close(found.relative, tenth, rtol=1e-4, atol=0)
    assert_close(found.gain, 1 + tenth, rtol=1e-4, atol=0)
    mean, rms = exact.v.mean(1).norm(dim=-1), exact.v.square().sum(-1).mean(1).sqrt()
    assert_close(found.bias, 0.1 * mean / rms, rtol=1e-4, atol=0)


def test_settings_are_geomloss_at_each_scaling_and_then_ours():
    assert settings_of((0.5,)) == [Setting("geomloss", 0.5), Setting("newton")]

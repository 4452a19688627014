"""Exact identities of the Sinkhorn velocity, and parity with exact transport (spec, section 1).

GeomLoss stops before convergence, so these hold to the accuracy of its annealing: SCALING is slow
enough for two to three digits.
"""

import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from nsgf.errors import NsgfError
from nsgf.flows import sinkhorn_flow
from nsgf.ot import sinkhorn_divergence, velocity
from nsgf.ot.coupling import couple, half_squared_distance
from nsgf.ot.exact import squared_w2
from nsgf.rng import stream

SCALING = 0.99
BLURS = [0.1, 0.5, 2.0]


def cloud(n: int, seed: int, d: int = 2) -> torch.Tensor:
    return torch.randn(n, d, generator=stream(seed, "cloud"), dtype=torch.float64)


@pytest.mark.parametrize("blur", BLURS)
def test_velocity_of_a_translation_is_the_translation(blur):
    x, shift = cloud(24, 0), torch.tensor([1.0, -2.0], dtype=torch.float64)
    v = velocity(x, x + shift, blur, scaling=SCALING).v
    assert (v - shift).norm(dim=1).max() < 0.02 * shift.norm()


@pytest.mark.parametrize("blur", BLURS)
def test_divergence_of_a_translation_is_half_its_square(blur):
    x, shift = cloud(24, 1), torch.tensor([1.0, -2.0], dtype=torch.float64)
    s = sinkhorn_divergence(x, x + shift, blur, scaling=SCALING)
    assert_close(s, shift.square().sum() / 2, rtol=0.01, atol=0)


@pytest.mark.parametrize("blur", BLURS)
def test_a_cloud_at_its_target_does_not_move(blur):
    x = cloud(24, 2)
    assert velocity(x, x, blur).v.abs().max() == 0
    assert abs(float(sinkhorn_divergence(x, x, blur))) < 1e-12


@given(st.integers(0, 10**6), st.sampled_from(BLURS))
@settings(max_examples=10, deadline=None)
def test_divergence_is_not_negative(seed, blur):
    x, y = cloud(12, seed), cloud(9, seed + 1) + 0.5
    assert sinkhorn_divergence(x, y, blur, scaling=SCALING) > -1e-3


def test_velocity_follows_permutations_and_rotations():
    x, y = cloud(16, 3), cloud(20, 4)
    plain = velocity(x, y, 0.5).v
    order = torch.randperm(16, generator=stream(5, "order"))
    assert_close(velocity(x[order], y, 0.5).v, plain[order])
    angle = torch.tensor(0.7, dtype=torch.float64)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).reshape(2, 2)
    # GeomLoss starts its annealing at the bounding box's diameter, which a rotation changes.
    assert_close(
        velocity(x @ turn, y @ turn, 0.5, scaling=SCALING).v,
        velocity(x, y, 0.5, scaling=SCALING).v @ turn,
        rtol=0.02,
        atol=0.02,
    )


def test_small_blur_gives_the_optimal_assignment():
    x, y = cloud(16, 6), cloud(16, 7) + 3
    plan = ot.emd([], [], half_squared_distance(x, y).numpy())
    target = y[torch.from_numpy(plan).argmax(1)]
    assert_close(velocity(x, y, 0.01, scaling=SCALING).v, target - x, atol=0.05, rtol=0)


def test_large_blur_gives_the_difference_of_means():
    x, y = cloud(16, 8), cloud(12, 9) + 3
    step = velocity(x, y, 1e3).v
    assert_close(step, (y.mean(0) - x.mean(0)).expand_as(x), atol=1e-4, rtol=0)
    expected = (y.mean(0) - x.mean(0)).square().sum() / 2
    assert_close(sinkhorn_divergence(x, y, 1e3), expected, rtol=1e-3, atol=0)


def test_rows_of_the_plan_are_exact_whatever_the_potential():
    x, y = cloud(8, 10), cloud(6, 11)
    g = torch.randn(6, generator=stream(12, "g"), dtype=torch.float64)
    plan = couple(x, torch.ones_like(y), g, 0.5)
    assert_close(plan.projection, torch.ones_like(x))  # rows sum to one
    assert plan.marginal_error > 0.01  # columns do not, and it says so


def test_distances_survive_a_far_offset():
    x, y = cloud(8, 13).float(), cloud(8, 14).float()
    offset = torch.tensor([1e3, -1e3])
    exact = half_squared_distance(x.double(), y.double()).float()
    assert_close(half_squared_distance(x + offset, y + offset), exact, atol=2e-3, rtol=0)


def test_a_batch_is_its_problems_one_by_one():
    x, y = torch.stack([cloud(8, 15), cloud(8, 16)]), torch.stack([cloud(6, 17), cloud(6, 18)])
    together = velocity(x, y, 0.5, scaling=SCALING)
    for k in range(2):
        alone = velocity(x[k], y[k], 0.5, scaling=SCALING)
        assert_close(together.v[k], alone.v, atol=0.02, rtol=0)
        assert together.marginal_error.shape == (2,)


def test_the_flow_descends_and_ends_at_its_target():
    x, y = cloud(64, 19).float(), cloud(64, 20).float() * 0.3 + 2
    flow = sinkhorn_flow(x, y, 0.5, 0.3, 10)
    assert flow.x.shape == flow.v.shape == (10, 64, 2)
    assert bool((flow.divergence[1:] < flow.divergence[:-1]).all())
    assert_close(flow.x[1], x + 0.3 * flow.v[0])
    assert squared_w2(flow.end, y) < 0.05 * squared_w2(x, y)


def test_the_flow_flags_what_geomloss_leaves_unconverged():
    assert not sinkhorn_flow(cloud(32, 21), cloud(32, 22) + 3, 0.1, 0.3, 2, scaling=0.5).converged


@pytest.mark.parametrize(
    ("x", "y", "blur", "says"),
    [
        (cloud(4, 0), cloud(4, 0, d=3), 0.5, "same dimension"),
        (cloud(4, 0), cloud(4, 0).float(), 0.5, "float32"),
        (cloud(4, 0), cloud(4, 0), -1.0, "blur must be positive"),
    ],
)
def test_what_does_not_fit_is_refused(x, y, blur, says):
    with pytest.raises(NsgfError, match=says):
        velocity(x, y, blur)

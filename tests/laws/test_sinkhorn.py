"""Exact identities of the Sinkhorn velocity and divergence, for every eps (spec, section 1).

They hold in both precisions, alone and in a batch; `clouds` says how closely.
"""

import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from nsgf.errors import NsgfError
from nsgf.ot import sinkhorn_divergence, velocity
from nsgf.ot.coupling import FEW_DIMENSIONS, half_squared_distance
from nsgf.ot.sinkhorn import self_cost
from tests.laws.clouds import CLOSE, EXACT, TOL, both, cloud, rotation

BLURS = [0.1, 0.5, 2.0]


def solved(x, y, blur):
    return velocity(x, y, blur, TOL[x.dtype])


def divergence(x, y, blur):
    return sinkhorn_divergence(x, y, blur, TOL[x.dtype])


@both
@pytest.mark.parametrize("batch", [0, 3])
@pytest.mark.parametrize("blur", BLURS)
def test_a_translation_is_its_own_velocity(blur, batch, dtype):
    x, shift = cloud(24, 0, batch=batch, dtype=dtype), torch.tensor([1.0, -2.0], dtype=dtype)
    assert_close(solved(x, x + shift, blur).v, shift.expand_as(x), **CLOSE[dtype])
    half_square = torch.full(x.shape[:-2], 2.5, dtype=torch.float64)
    assert_close(divergence(x, x + shift, blur), half_square, **CLOSE[dtype])


@both
@pytest.mark.parametrize("blur", BLURS)
def test_moving_the_target_moves_the_velocity_alike(blur, dtype):
    x, y, shift = cloud(24, 1, dtype=dtype), cloud(17, 2, dtype=dtype), cloud(1, 3, dtype=dtype)
    assert_close(solved(x, y + shift, blur).v, solved(x, y, blur).v + shift, **EXACT[dtype])
    gap = (y.mean(0) - x.mean(0)) @ shift[0] + shift.square().sum() / 2
    assert_close(divergence(x, y + shift, blur), divergence(x, y, blur) + gap, **EXACT[dtype])


@both
@pytest.mark.parametrize("batch", [0, 3])
@pytest.mark.parametrize("blur", BLURS)
def test_a_cloud_at_its_target_does_not_move(blur, batch, dtype):
    x = cloud(24, 2, batch=batch, dtype=dtype)
    assert_close(solved(x, x, blur).v, torch.zeros_like(x), **CLOSE[dtype])
    nothing = torch.zeros(x.shape[:-2], dtype=torch.float64)
    assert_close(divergence(x, x, blur), nothing, **CLOSE[dtype])


@both
@given(seed=st.integers(0, 10**6), blur=st.floats(0.1, 10), n=st.integers(1, 30))
@settings(max_examples=30)
def test_a_divergence_is_not_negative(seed, blur, n, dtype):
    x, y = cloud(n, seed, dtype=dtype), cloud(9, seed + 1, dtype=dtype) / 2
    assert divergence(x, y, blur) > -CLOSE[dtype]["atol"]


@both
def test_velocities_follow_permutations_and_rotations(dtype):
    x, y = cloud(16, 3, 3, dtype=dtype), cloud(20, 4, 3, dtype=dtype)
    plain, turn = solved(x, y, 0.5).v, rotation(3, dtype)
    assert_close(solved(x.flip(0), y, 0.5).v, plain.flip(0), **EXACT[dtype])
    assert_close(solved(x, y.flip(0), 0.5).v, plain, **EXACT[dtype])
    assert_close(solved(x @ turn, y @ turn, 0.5).v, plain @ turn, **EXACT[dtype])


@both
@pytest.mark.parametrize("m", [16, 24])
def test_small_blur_gives_the_optimal_assignment(m, dtype):
    x, y = cloud(16, 6, dtype=dtype), cloud(m, 7, dtype=dtype) + 3
    plan = ot.emd([], [], half_squared_distance(x, y).double().numpy())
    target = (16 * torch.from_numpy(plan)).to(dtype) @ y
    assert_close(solved(x, y, 0.01).v, target - x, **CLOSE[dtype])


@both
def test_large_blur_gives_the_difference_of_means(dtype):
    x, y, blur = cloud(16, 8, dtype=dtype), cloud(12, 9, dtype=dtype) + 3, 100.0
    gap = y.mean(0) - x.mean(0)
    assert_close(solved(x, y, blur).v, gap.expand_as(x), rtol=0, atol=20 / blur**2)
    # In float32 an energy is as exact as eps, not as the data.
    half_square = gap.double().square().sum() / 2
    assert_close(divergence(x, y, blur), half_square, rtol=0, atol=2e-7 * blur**2)


@both
@pytest.mark.parametrize("blur", BLURS)
def test_saying_every_point_twice_changes_nothing(blur, dtype):
    x, y = cloud(10, 10, dtype=dtype), cloud(14, 11, dtype=dtype)
    once, energy = solved(x, y, blur).v, divergence(x, y, blur)
    assert_close(solved(x, y.repeat(2, 1), blur).v, once, **CLOSE[dtype])
    assert_close(solved(x.repeat(3, 1), y, blur).v, once.repeat(3, 1), **CLOSE[dtype])
    assert_close(divergence(x.repeat(3, 1), y.repeat(2, 1), blur), energy, **CLOSE[dtype])


@both
@pytest.mark.parametrize("m", [1, 9])
@pytest.mark.parametrize("blur", BLURS)
def test_one_point_goes_to_the_mean(blur, m, dtype):
    x, y = cloud(1, 12, dtype=dtype), cloud(m, 13, dtype=dtype)
    assert_close(solved(x, y, blur).v, y.mean(0) - x, **EXACT[dtype])
    assert_close(solved(x, x, blur).v, torch.zeros_like(x), **EXACT[dtype])


@both
@pytest.mark.parametrize("blur", BLURS)
def test_every_point_goes_to_a_single_target(blur, dtype):
    x, y = cloud(9, 14, dtype=dtype), cloud(1, 15, dtype=dtype)
    spread = (x - y).square().sum(-1).double().mean() / 2
    assert_close(
        divergence(x, y, blur), spread - self_cost(x, blur, TOL[dtype]) / 2, **CLOSE[dtype]
    )
    assert_close(solved(x, y, blur).v.mean(0), y[0] - x.mean(0), **CLOSE[dtype])


@both
def test_another_cloud_takes_the_place_of_the_particles_in_the_self_term(dtype):
    x, y, o = cloud(20, 0, dtype=dtype), cloud(16, 1, dtype=dtype) + 1, cloud(12, 2, dtype=dtype)
    tol = TOL[dtype]
    expected = velocity(x, y, 0.5, tol).v - velocity(x, o, 0.5, tol).v
    assert_close(velocity(x, y, 0.5, tol, other=o).v, expected, **CLOSE[dtype])


@both
def test_a_masked_self_term_leaves_each_particle_out(dtype):
    x, tol = cloud(20, 0, dtype=dtype), TOL[dtype]
    trading = velocity(x[:2], x[2:3], 0.5, tol, masked=True).v  # all goes to one target
    assert_close(trading, x[2:3] - x[:2].flip(0), **CLOSE[dtype])
    away = velocity(x, x[:1], 50.0, tol, masked=True).v  # of one target, at a large blur
    others = (x.sum(0) - x) / 19
    assert_close(away, x[:1] - others, rtol=0, atol=2e-2)
    with pytest.raises(NsgfError, match="masked needs"):
        velocity(x, x, 0.5, backend="geomloss", masked=True)


@both
def test_all_points_in_one_place_move_as_one(dtype):
    x, y = torch.zeros(7, 2, dtype=dtype), torch.ones(5, 2, dtype=dtype)
    assert_close(solved(x, y, 0.5).v, torch.ones_like(x), **EXACT[dtype])
    assert_close(divergence(x, y, 0.5), torch.tensor(1.0, dtype=torch.float64), **EXACT[dtype])


@both
@pytest.mark.parametrize("d", [FEW_DIMENSIONS - 1, FEW_DIMENSIONS, FEW_DIMENSIONS + 1, 3072])
def test_a_line_in_many_dimensions_is_a_line(d, dtype):
    x, y = cloud(20, 16, 1, dtype=dtype), cloud(15, 17, 1, dtype=dtype) + 1
    along = torch.nn.functional.normalize(cloud(1, 18, d, dtype=dtype))
    assert_close(solved(x @ along, y @ along, 0.3).v, solved(x, y, 0.3).v @ along, **EXACT[dtype])


@both
@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_velocities_scale_with_the_data(size, dtype):
    x, y = cloud(18, 19, dtype=dtype), cloud(13, 20, dtype=dtype) + 1
    scaled = solved(size * x, size * y, size * 0.5).v / size
    assert_close(scaled, solved(x, y, 0.5).v, **EXACT[dtype])
    energy = divergence(size * x, size * y, size * 0.5) / size**2
    assert_close(energy, divergence(x, y, 0.5), **EXACT[dtype])


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("d", [2, 16])
def test_clouds_far_from_the_origin_lose_no_digits(d, apart):
    x = cloud(24, 21, d, dtype=torch.float32) + 1e4
    y = cloud(24, 22, d, dtype=torch.float32) - (1e4 if apart else -1e4)
    exact, found = solved(x.double(), y.double(), 0.5), solved(x, y, 0.5)
    speed = float(exact.v.abs().max())
    assert_close(found.v.double(), exact.v, rtol=0, atol=TOL[torch.float32] * speed)
    assert_close(found.energy, exact.energy, rtol=1e-6, atol=1e-4)

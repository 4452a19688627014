"""The particle flow: Euler's steps down the divergence (NSGF, Eq. 14)."""

import pytest
import torch
from torch.testing import assert_close

from nsgf.config.pool import Flow
from nsgf.errors import NsgfError
from nsgf.flows import sinkhorn_flow
from nsgf.flows.gram import gram_flow
from nsgf.ot import sinkhorn_divergence, velocity
from nsgf.ot.exact import squared_w2
from tests.laws.clouds import CLOSE, TOL, both, cloud

ETA = 0.3


def clouds(dtype, d=2, batch=0):
    x, y = cloud(64, 0, d, batch=batch, dtype=dtype), cloud(50, 1, d, batch=batch, dtype=dtype)
    return x, 0.3 * y + 2


@both
@pytest.mark.parametrize("batch", [0, 3])
def test_the_flow_takes_eulers_steps_down_to_its_target(batch, dtype):
    x, y = clouds(dtype, batch=batch)
    flow = sinkhorn_flow(x, y, 0.5, ETA, 10)
    assert flow.converged
    assert flow.x.shape == flow.v.shape == (10, *x.shape)
    assert flow.divergence.shape == flow.error.shape == (10, *x.shape[:-2])
    assert torch.equal(flow.x[0], x)
    ends = torch.cat([flow.x[1:], flow.end[None]])
    assert_close(ends, flow.x + ETA * flow.v, rtol=0, atol=0)
    assert (flow.divergence.diff(dim=0) < 0).all()
    for start, end, target in [(x, flow.end, y)] if not batch else zip(x, flow.end, y, strict=True):
        assert squared_w2(end, target) < 0.01 * squared_w2(start, target)


@both
@pytest.mark.parametrize("blur", [0.2, 1.0])
def test_a_flow_finds_what_its_states_alone_give(blur, dtype):
    x, y = clouds(dtype)
    flow = sinkhorn_flow(x, y, blur, ETA, 6, TOL[dtype])
    for state, v, s in zip(flow.x, flow.v, flow.divergence, strict=True):
        assert_close(v, velocity(state, y, blur, TOL[dtype]).v, **CLOSE[dtype])
        assert_close(s, sinkhorn_divergence(state, y, blur, TOL[dtype]), **CLOSE[dtype])


def test_the_last_potential_saves_work_along_a_flow():
    x, y = clouds(torch.float32)
    start, warm, cold = None, 0, 0
    for _ in range(6):
        step = velocity(x, y, 0.1, start=start)
        warm, cold = warm + step.iterations, cold + velocity(x, y, 0.1).iterations
        start, x = (1 - ETA) * step.potential, x + ETA * step.v
    assert warm < 0.85 * cold


def test_a_flow_may_change_its_blur_from_step_to_step():
    x, y = clouds(torch.float64, batch=2)
    blurs = Flow(steps=3, step_size=ETA, blur=0.8, last_blur=0.2).blurs
    assert_close(blurs, (0.8, 0.4, 0.2))
    flow = sinkhorn_flow(x, y, blurs, ETA, 3, 1e-8)
    for state, blur, v, s in zip(flow.x, blurs, flow.v, flow.divergence, strict=True):
        assert_close(v, velocity(state, y, blur, 1e-8).v, rtol=0, atol=1e-6)
        assert_close(s, sinkhorn_divergence(state, y, blur, 1e-8), rtol=0, atol=1e-6)


def test_with_a_second_draw_each_problem_of_a_flow_is_repelled_by_its_other_draw():
    x, y = clouds(torch.float64, batch=4)
    flow = sinkhorn_flow(x, y, 0.5, ETA, 2, 1e-8, self_term="second")
    for state, v in zip(flow.x, flow.v, strict=True):
        for k in range(4):
            alone = velocity(state[k], y[k], 0.5, 1e-8, other=state[(k + 2) % 4]).v
            assert_close(v[k], alone, rtol=0, atol=1e-6)
    with pytest.raises(NsgfError, match="second draws"):
        sinkhorn_flow(x[:3], y[:3], 0.5, ETA, 2, self_term="second")


@both
def test_a_flow_of_inner_products_is_the_same_alone_and_in_a_batch(dtype):
    """One problem whose particles rest, one whose do not, and one that needs a finer goal."""
    x, y = cloud(40, 2, 30, batch=3, dtype=dtype), cloud(40, 3, 30, batch=3, dtype=dtype)
    x[1] /= 50
    y[2] = x[2] + 1e-3 * y[2]
    together = list(gram_flow(x, y, 0.3, ETA, 4))
    for b in range(3):
        alone = list(gram_flow(x[b : b + 1], y[b : b + 1], 0.3, ETA, 4))
        for one, all_of_them in zip(alone, together, strict=True):
            assert torch.equal(one.across[0], all_of_them.across[b])
            assert torch.equal(one.moved(x[b : b + 1], 0.3)[0], all_of_them.moved(x, 0.3)[b])
            assert_close(one.error[0], all_of_them.error[b])


@both
@pytest.mark.parametrize("d", [2, 20])
def test_inner_products_give_the_flow_of_the_points(d, dtype):
    x, y = clouds(dtype, d)
    points, gram = (sinkhorn_flow(x, y, 1.0, ETA, 4, TOL[dtype], through_gram=g) for g in (0, 1))
    assert_close(gram.v, points.v, **CLOSE[dtype])
    assert_close(gram.end, points.end, **CLOSE[dtype])
    assert_close(gram.divergence, points.divergence, **CLOSE[dtype])


def test_a_flow_says_that_geomloss_did_not_converge():
    x, y = clouds(torch.float32)
    assert not sinkhorn_flow(x, y, 0.1, ETA, 2, backend="geomloss", scaling=0.5).converged


@pytest.mark.parametrize("through_gram", [True, False])
@pytest.mark.parametrize("d", [20, 600])
def test_far_apart_clouds_keep_their_digits_along_a_flow(d, through_gram):
    """The velocity less the common shift is that of the same clouds side by side."""
    x, y = cloud(24, 3, d=d, dtype=torch.float32), cloud(24, 4, d=d, dtype=torch.float32)
    near = sinkhorn_flow(x, y, 4.0, 0.3, 3, through_gram=through_gram)
    far = sinkhorn_flow(x, y + 100, 4.0, 0.3, 3, through_gram=through_gram)
    own = [v - v.mean(1, keepdim=True) for v in (near.v, far.v)]
    assert (own[1] - own[0]).norm() < 3e-4 * own[0].norm()  # float32 keeps 8e-6 at 100
    shift = (y + 100).mean(0) - x.mean(0)
    centred = near.divergence - (y.mean(0) - x.mean(0)).square().sum() / 2 * 0.7 ** (
        2 * torch.arange(3)
    )
    expected = centred + shift.double().square().sum() / 2 * 0.7 ** (2 * torch.arange(3))
    assert_close(far.divergence, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("d", [2, 600])
@pytest.mark.parametrize("side", ["x", "y"])
def test_a_coordinate_that_is_no_number_is_refused(d, side):
    clouds = {"x": cloud(8, 5, d=d), "y": cloud(8, 6, d=d)}
    clouds[side][3, 1] = torch.nan
    with pytest.raises(NsgfError, match="not finite"):
        sinkhorn_flow(clouds["x"], clouds["y"], 1.0, 0.3, 2)


def test_a_flow_without_steps_and_gram_space_for_another_solver_are_refused():
    x = cloud(8, 7)
    with pytest.raises(NsgfError, match="no state"):
        sinkhorn_flow(x, x + 1, 1.0, 0.3, 0)
    with pytest.raises(NsgfError, match="Gram space"):
        sinkhorn_flow(x, x + 1, 1.0, 0.3, 2, backend="geomloss", through_gram=True)


def test_every_step_tells_its_iterations():
    x = cloud(16, 8)
    flow = sinkhorn_flow(x, cloud(16, 9) + 1, 0.5, 0.3, 3)
    assert len(flow.iterations) == 3
    assert all(count > 1 for count in flow.iterations)


def test_arrays_are_welcome_where_tensors_are():
    x, y = clouds(torch.float32, d=3)
    arrays = x.numpy(), y.numpy()
    assert torch.equal(velocity(*arrays, 0.5).v, velocity(x, y, 0.5).v)
    assert sinkhorn_divergence(*arrays, 0.5) == sinkhorn_divergence(x, y, 0.5)
    assert torch.equal(
        sinkhorn_flow(*arrays, 0.5, 0.3, 2).end, sinkhorn_flow(x, y, 0.5, 0.3, 2).end
    )
    assert squared_w2(*arrays) == squared_w2(x, y)
    with pytest.raises(NsgfError, match="no array of numbers"):
        velocity([["a"]], [["b"]], 0.5)


ARRIVING = tuple(1 / (5 - k) for k in range(5))


@both
@pytest.mark.parametrize("through_gram", [False, True])
def test_steps_that_arrive_move_a_translated_cloud_evenly_to_its_end(through_gram, dtype):
    """After step k (T - k - 1) / T of the way is left, so that every step is 1 / T of it."""
    x = cloud(40, 5, 3, dtype=dtype)
    y = x + torch.tensor([3.0, 4.0, 0.0], dtype=dtype)
    flow = sinkhorn_flow(x, y, 0.5, ARRIVING, 5, TOL[dtype], through_gram=through_gram)
    steps = torch.stack([eta * v for eta, v in zip(ARRIVING, flow.v, strict=True)])
    assert_close(steps, ((y - x) / 5).expand_as(steps), rtol=0, atol=5 * TOL[dtype])
    assert_close(flow.end, y, rtol=0, atol=20 * TOL[dtype])


def test_at_a_small_blur_the_last_of_steps_that_arrive_lands_on_targets():
    x, y = clouds(torch.float64)
    y = torch.cat([y, y[:14] + 0.5])  # as many as particles
    end = sinkhorn_flow(x, y, 0.02, ARRIVING, 5).end
    assert float(torch.cdist(end, y).min(1).values.max()) < 0.02
    assert squared_w2(end, y) < 1e-3 * squared_w2(x, y)


def test_a_step_size_for_each_step_is_asked_for():
    x, y = clouds(torch.float32)
    with pytest.raises(NsgfError, match="2 step sizes for 3 steps"):
        sinkhorn_flow(x, y, 0.5, (0.1, 0.2), 3)
    even = sinkhorn_flow(x, y, 0.5, (ETA,) * 4, 4)
    assert torch.equal(even.end, sinkhorn_flow(x, y, 0.5, ETA, 4).end)

"""The particle flow: Euler's steps down the divergence (NSGF, Eq. 14)."""

import pytest
import torch
from torch.testing import assert_close

from nsgf.flows import sinkhorn_flow
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
    assert flow.divergence.shape == flow.marginal_error.shape == (10, *x.shape[:-2])
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

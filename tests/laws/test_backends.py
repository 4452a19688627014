"""Our solver beside POT and GeomLoss, backends that cannot run, and input that does not fit."""

import ot
import pytest
import torch
from torch.testing import assert_close

from nsgf.errors import NsgfError
from nsgf.flows import sinkhorn_flow
from nsgf.ot import geomloss_backend, newton, velocity
from nsgf.ot.coupling import couple, half_squared_distance
from nsgf.ot.error import first_goal
from nsgf.ot.exact import squared_w2
from tests.laws.clouds import CLOSE, TOL, both, cloud


@both
@pytest.mark.parametrize(("n", "m"), [(20, 20), (15, 24)])
@pytest.mark.parametrize("blur", [0.5, 1.0])
def test_plan_and_velocity_are_those_of_pots_sinkhorn(blur, n, m, dtype):
    x, y = cloud(n, 4), cloud(m, 5) + 1
    plan, inner = (pots_plan(a, b, blur) for a, b in ((x, y), (x, x)))
    found = newton.solve(
        half_squared_distance(x, y)[None].to(dtype), blur**2, first_goal(TOL[dtype], x[:1])
    )
    assert_close(found.plan[0].double(), plan, **CLOSE[dtype])
    v = velocity(x.to(dtype), y.to(dtype), blur, TOL[dtype]).v
    assert_close(v.double(), plan @ y - inner @ x, **CLOSE[dtype])


def pots_plan(x, y, blur):
    """pi(j | i) from POT's Sinkhorn in the logarithmic domain."""
    cost = half_squared_distance(x, y).numpy()
    rules = {"method": "sinkhorn_log", "numItermax": 20_000, "stopThr": 1e-13}
    return len(x) * torch.from_numpy(ot.sinkhorn([], [], cost, blur**2, **rules))


def test_a_slow_geomloss_comes_close():
    x, y = cloud(24, 6), cloud(20, 7) + 1
    slow = velocity(x, y, 1.0, backend="geomloss", scaling=0.999)
    exact = velocity(x, y, 1.0, 1e-9)
    assert slow.error < 0.05
    assert_close(slow.v, exact.v, rtol=0, atol=1e-3)
    assert_close(slow.energy, exact.energy, rtol=0, atol=1e-7)


def test_exact_transport_is_where_our_solver_tends_to_as_blur_falls():
    x, y = cloud(16, 8, batch=2), cloud(16, 9, batch=2) + 1
    exact = velocity(x, y, 0.5, backend="exact")
    assert_close(velocity(x, y, 0.01).v, exact.v, rtol=0, atol=1e-3)
    halves = [squared_w2(a, b) / 2 for a, b in zip(x, y, strict=True)]
    assert_close(exact.energy.tolist(), halves)
    assert exact.converged
    assert_close(x.sum(1) + exact.v.sum(1), y.sum(1))  # every target is reached once


def test_exact_transport_between_clouds_of_other_sizes_takes_the_mean_target():
    x, y = torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0], [3.0, 2.0]])
    assert_close(velocity(x, y, 0.5, backend="exact").v, torch.tensor([[2.0, 1.0]]))


def test_rows_of_a_plan_are_exact_whatever_the_potential():
    x, y, g = cloud(8, 8, batch=1), cloud(6, 9, batch=1), cloud(1, 10, 6)
    plan = couple(x, torch.ones_like(y), g, 0.5)
    assert_close(x + plan.displacement, torch.ones_like(x))  # rows sum to one
    assert plan.marginal_error > 0.01  # columns do not, and it says so


POINTS = cloud(4, 0)


@pytest.mark.parametrize(
    ("x", "y", "settings", "says"),
    [
        (POINTS, cloud(4, 0, d=3), {}, "same dimension"),
        (POINTS, POINTS[None], {}, "same dimension"),
        (POINTS.expand(2, 4, 2), POINTS.expand(3, 4, 2), {}, "same batch size"),
        (POINTS[0], POINTS[0], {}, r"not \(n, d\)"),
        (POINTS, POINTS.float(), {}, "float32"),
        (POINTS.half(), POINTS.half(), {}, "x is torch.float16"),
        (POINTS.bfloat16(), POINTS.bfloat16(), {}, "x is torch.bfloat16"),
        (POINTS.int(), POINTS.int(), {}, "x is torch.int32"),
        (POINTS[:0], POINTS, {}, "holds no points"),
        (POINTS, POINTS[:, :0], {}, "same dimension"),
        (POINTS, POINTS, {"blur": -1.0}, "blur and tol must be positive"),
        (POINTS, POINTS, {"blur": float("nan")}, "blur and tol must be positive"),
        (POINTS, POINTS, {"tol": 0.0}, "blur and tol must be positive"),
        (POINTS, POINTS, {"backend": "newtom"}, "newton"),
        (POINTS, POINTS, {"blur": float("inf")}, "no square"),
        (POINTS, POINTS, {"blur": 1e-200}, "no square"),
        (POINTS.float(), POINTS.float(), {"blur": 1e25}, "no square"),
        (POINTS / 0, POINTS, {}, "not finite"),
        (POINTS, POINTS * float("nan"), {}, "not finite"),
        (POINTS, POINTS * float("nan"), {"backend": "exact"}, "not finite"),
        (POINTS, POINTS, {"start": torch.full((1, 4), float("nan"))}, "not finite"),
        (POINTS, POINTS, {"start": torch.zeros(1, 5)}, r"start \(1, 5\)"),
        (POINTS, POINTS, {"start": torch.zeros(4)}, r"start \(4,\)"),
    ],
)
def test_what_does_not_fit_is_refused(x, y, settings, says):
    with pytest.raises(NsgfError, match=says):
        velocity(x, y, **({"blur": 0.5} | settings))


def test_a_backend_of_fixed_effort_is_flagged_and_not_refused():
    step = velocity(cloud(32, 21), cloud(32, 22) + 3, 0.1, backend="geomloss", scaling=0.5)
    assert not step.converged
    assert step.error > 0.05
    assert step.iterations is None
    assert step.potential is None


def test_a_backend_that_is_not_installed_says_so(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    geomloss_backend._loss.cache_clear()
    with pytest.raises(NsgfError, match="'geomloss-online' needs KeOps"):
        velocity(POINTS, POINTS, 0.5, backend="geomloss-online")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("d", [2, 784])
def test_a_cuda_device_gives_the_cpus_flow(d):
    x, y = cloud(64, 30, batch=3, d=d, dtype=torch.float32), cloud(64, 31, batch=3, d=d).float() + 1
    blur = 0.5 * d**0.5 / 2**0.5
    here, there = (sinkhorn_flow(x.to(on), y.to(on), blur, 0.3, 5) for on in ("cpu", "cuda"))
    assert (there.v.cpu() - here.v).norm() < 1e-4 * here.v.norm()

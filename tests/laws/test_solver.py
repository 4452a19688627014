"""The solver: its two implementations, its threads, warm starts, and what it does at its limits."""

import dataclasses
import math
import subprocess
import sys

import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from nsgf.errors import NotConverged, NsgfError
from nsgf.flows.sinkhorn import sinkhorn_flow
from nsgf.ot import dense, kernels, newton, velocity
from nsgf.ot.coupling import FEW_DIMENSIONS, couple, half_squared_distance
from nsgf.ot.error import first_goal
from nsgf.ot.schedule import FLOOR, LOST, TINY, Schedule
from tests.laws.clouds import CLOSE, TOL, both, cloud

ROUNDING = {torch.float32: 1e-6, torch.float64: 1e-14}
FEW = FEW_DIMENSIONS
TWINS = pytest.mark.parametrize("loops", [kernels, dense], ids=["kernels", "dense"])


def costs(dtype, batch=3, n=20, m=13, seed=0):
    x, y = cloud(n, seed, batch=batch, dtype=dtype), cloud(m, seed + 1, batch=batch, dtype=dtype)
    return half_squared_distance(x, y)


def schedule(dtype, batch=3, **rest):
    return Schedule(first_goal(TOL[dtype], torch.empty(batch)), **rest)


@both
@pytest.mark.parametrize("d", [1, 3, FEW, FEW + 1, 3072])
def test_distances_and_projections_are_those_of_torch(d, dtype):
    x, y = cloud(20, 1, d, batch=2, dtype=dtype), cloud(13, 2, d, batch=2, dtype=dtype)
    exact = torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")
    found = half_squared_distance(x, y).double()
    assert_close(found, exact.square() / 2, rtol=0, atol=2 * d * ROUNDING[dtype])
    for loops in (kernels, dense):
        plan = torch.softmax(-found, -1).to(dtype)
        assert_close(loops.project(plan, y), plan @ y, rtol=0, atol=ROUNDING[dtype])


@both
def test_a_sparse_plan_projects_as_a_dense_one_and_alone_as_in_a_batch(dtype):
    y = cloud(50, 27, 40, batch=3, dtype=dtype)
    logits = cloud(60, 28, 50, batch=3, dtype=dtype) * torch.tensor([200, 1, 60]).view(3, 1, 1)
    plan = torch.softmax(logits.to(dtype), -1)
    found = kernels.project(plan, y)
    assert_close(found, plan @ y, rtol=0, atol=10 * ROUNDING[dtype])
    for k in range(3):
        assert torch.equal(kernels.project(plan[k : k + 1], y[k : k + 1])[0], found[k])


@both
@pytest.mark.parametrize("eps", [0.01, 0.25, 4.0])
@pytest.mark.parametrize("batch", [1, 3])
def test_both_twins_descend_to_the_same_plan(batch, eps, dtype):
    cost = costs(dtype, batch)
    rules = schedule(dtype, batch)
    cold = [loops.descend(cost, eps, None, rules) for loops in (kernels, dense)]
    agree(*cold, dtype)
    nearby = 0.9 * cold[0].g
    warm = [loops.descend(cost, eps, nearby, rules) for loops in (kernels, dense)]
    agree(*warm, dtype)
    agree(warm[0], cold[0], dtype)


@both
def test_both_twins_find_the_same_plan_of_a_cloud_with_itself(dtype):
    x = cloud(20, 3, batch=3, dtype=dtype)
    cost, goal = half_squared_distance(x, x), torch.full((3,), FLOOR[dtype]).double()
    cost.diagonal(dim1=-2, dim2=-1).zero_()
    fixed = [loops.symmetric(cost, 0.25, goal, 80) for loops in (kernels, dense)]
    agree(*fixed, dtype)
    agree(fixed[0], kernels.descend(cost, 0.25, None, schedule(dtype)), dtype)
    assert_close(fixed[0].plan, fixed[0].plan.mT, **CLOSE[dtype])


def agree(a, b, dtype):
    """Two solutions have both converged, to one plan and one cost."""
    for found in (a, b):
        assert found.error.max() <= TOL[dtype]
        assert (column_error(found.plan) <= found.error + ROUNDING[dtype]).all()
    assert_close(a.plan, b.plan, **CLOSE[dtype])
    assert_close(a.f.mean(-1) + a.g.mean(-1), b.f.mean(-1) + b.g.mean(-1), **CLOSE[dtype])


@both
@TWINS
def test_exponentials_are_exact_to_rounding(loops, dtype):
    # At eps = 1 these costs reach the exponential as they are.
    line = torch.arange(0, 80, 0.5, dtype=dtype)
    cost = torch.stack([line.roll(k) for k in range(len(line))]).unsqueeze(0)
    exact = torch.softmax(-cost.double(), -1)
    first = loops.descend(cost, 1.0, torch.zeros_like(cost[:, 0]), schedule(dtype, 1, max_steps=1))
    assert_close(first.plan.double(), exact, rtol=ROUNDING[dtype], atol=TINY[dtype])
    square = (line.unsqueeze(1) - line).abs().unsqueeze(0)
    kernel = torch.exp(-square.double())
    a = kernel.sum(-1).rsqrt()
    exact = kernel * a.unsqueeze(-2) / (kernel @ a.unsqueeze(-1))
    once = loops.symmetric(square, 1.0, torch.zeros(1).double(), 0).plan
    assert_close(once.double(), exact, rtol=2 * ROUNDING[dtype], atol=TINY[dtype])


@both
@TWINS
def test_no_subnormal_number_arises(loops, dtype):
    """Over each of them some processors take a hundred times as long."""
    x, y = cloud(60, 25, batch=2, dtype=dtype), cloud(50, 26, batch=2, dtype=dtype)
    eps = 0.1 if dtype == torch.float32 else 0.01
    cost, itself = half_squared_distance(x, y), half_squared_distance(x, x)
    itself.diagonal(dim1=-2, dim2=-1).zero_()
    end, goal = loops.descend(cost, eps, None, schedule(dtype, 2)), torch.full((2,), 1e-6).double()
    for found, matrix in (
        (loops.descend(cost, eps, end.g, schedule(dtype, 2, max_steps=1)), cost),
        (loops.descend(cost, eps, 0.99 * end.g, schedule(dtype, 2)), cost),  # updated in place
        (end, cost),
        (loops.symmetric(itself, eps, goal, 80), itself),
    ):
        exact = torch.log_softmax((found.g.unsqueeze(-2) - matrix.double()) / eps, -1)
        tiny = torch.finfo(dtype).tiny
        for power in (1, 2):  # squares are summed too
            logs, held = power * exact, found.plan**power
            due = (logs < math.log(tiny)) & (logs > math.log(tiny * torch.finfo(dtype).eps))
            assert due.sum() > 0
            assert ((held != 0) & (held < tiny)).sum() == 0


@both
def test_the_error_reported_is_that_of_the_plan(dtype):
    x, y = cloud(20, 8, batch=3, dtype=dtype), cloud(13, 9, batch=3, dtype=dtype)
    found = newton.solve(half_squared_distance(x, y), 0.25, first_goal(1e-2, x))
    assert_close(column_error(found.plan), found.error, rtol=0, atol=ROUNDING[dtype])
    again = couple(x, y, found.g.to(dtype), 0.5).marginal_error
    assert_close(again, found.error, rtol=0, atol=ROUNDING[dtype])
    itself = newton.solve_symmetric(half_squared_distance(x, x), 0.25, first_goal(1e-2, x))
    assert (column_error(itself.plan) <= itself.error).all()
    worse = torch.maximum(found.error, itself.error)
    reported = velocity(x, y, 0.5, 1e-2).marginal_error
    assert_close(reported, worse, rtol=0, atol=ROUNDING[dtype])


def column_error(plan):
    return (plan.double().mean(-2) - 1 / plan.shape[-1]).abs().sum(-1)


@pytest.fixture
def threads():
    """Sets torch's threads for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_a_large_problem_is_cut_into_rows_and_stays_the_same(threads):
    x, y = cloud(1024, 10, dtype=torch.float32), cloud(1100, 11, dtype=torch.float32) + 1
    assert len(x) * len(y) >= kernels.LARGE
    found = []
    for count in (1, 2):
        threads(count)
        found.append(velocity(x, y, 0.5))
    same(*found)
    cost, itself = half_squared_distance(x, y)[None], half_squared_distance(x, x)[None]
    rows, whole = (t.descend(cost, 0.25, None, schedule(x.dtype, 1)) for t in (kernels, dense))
    agree(rows, whole, x.dtype)
    goal = torch.tensor([2e-6], dtype=torch.float64)
    agree(*(t.symmetric(itself, 0.25, goal, 80) for t in (kernels, dense)), x.dtype)


@both
def test_a_batch_is_its_problems_one_by_one_on_any_threads(threads, dtype):
    x, y = cloud(30, 12, batch=5, dtype=dtype), cloud(22, 13, batch=5, dtype=dtype) + 1
    threads(1)
    together = velocity(x, y, 0.3)
    threads(2)
    same(together, velocity(x, y, 0.3))
    assert together.marginal_error.shape == together.energy.shape == (5,)
    for k in range(5):
        alone = velocity(x[k], y[k], 0.3)
        for name in ("v", "marginal_error", "potential"):
            assert torch.equal(getattr(alone, name).squeeze(0), getattr(together, name)[k]), name
        assert_close(alone.energy, together.energy[k], rtol=0, atol=ROUNDING[torch.float64])


def same(a, b):
    """Two results are equal bit by bit."""
    for name in ("v", "energy", "marginal_error", "potential"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    assert a.iterations == b.iterations


@both
def test_a_warm_start_changes_the_way_and_not_the_end(dtype):
    x, y, tol = cloud(20, 14, dtype=dtype), cloud(25, 15, dtype=dtype) + 1, TOL[dtype]
    cold = velocity(x, y, 0.3, tol)
    again = velocity(x, y, 0.3, tol, start=cold.potential)
    assert again.iterations < cold.iterations
    zero = torch.zeros_like(cold.potential)
    for start in (cold.potential + 100, zero, cloud(25, 17).mT[:1]):
        warm = velocity(x, y, 0.3, tol, start=start)
        assert_close(warm.v, cold.v, **CLOSE[dtype])
        assert_close(warm.energy, cold.energy, **CLOSE[dtype])


def hobble(monkeypatch, attempts):
    """Ends the solver's first `attempts` ways down after one step."""
    left = [1] * attempts

    def short(*args, **rest):
        return Schedule(*args, **(rest | ({"max_steps": left.pop()} if left else {})))

    monkeypatch.setattr(newton, "Schedule", short)


@both
@pytest.mark.parametrize("batch", [0, 3])
def test_what_does_not_converge_raises_or_is_flagged(monkeypatch, batch, dtype):
    x, y = cloud(20, 18, batch=batch, dtype=dtype), cloud(25, 19, batch=batch, dtype=dtype) + 1
    hobble(monkeypatch, 12)
    with pytest.raises(NotConverged, match=r"error may be .*, above tol 0\.001"):
        velocity(x, y, 0.1)
    step = velocity(x, y, 0.1, flag=True)
    assert not step.converged
    assert step.error.max() > 1e-3


@both
@pytest.mark.parametrize("batch", [0, 3])
def test_a_second_attempt_mends_the_first(monkeypatch, batch, dtype):
    x, y = cloud(20, 18, batch=batch, dtype=dtype), cloud(25, 19, batch=batch, dtype=dtype) + 1
    plain = velocity(x, y, 0.1, TOL[dtype])
    hobble(monkeypatch, 1)
    mended = velocity(x, y, 0.1, TOL[dtype])
    assert mended.converged
    assert mended.iterations > plain.iterations
    assert mended.v.dtype == dtype
    assert_close(mended.v, plain.v, **CLOSE[dtype])
    assert_close(mended.energy, plain.energy, **CLOSE[dtype])


@both
@pytest.mark.parametrize("loops", [kernels, dense], ids=["kernels", "dense"])
def test_a_plan_for_another_eps_is_no_answer(loops, dtype):
    x = cloud(12, 23, batch=1, dtype=dtype)
    cost = half_squared_distance(torch.cat([x, -x], 1), torch.cat([x, -x], 1))
    easy = loops.descend(cost, 1e-6, None, schedule(dtype, 1, max_steps=2))
    assert easy.error == LOST


@both
def test_a_tree_of_ties_far_above_eps_is_solved(dtype):
    # One point more than targets: mass must move along chains through most of the points.
    x, y = cloud(34, 24, dtype=dtype), cloud(33, 25, dtype=dtype)
    target = 34 * torch.from_numpy(ot.emd([], [], half_squared_distance(x, y).double().numpy()))
    step = velocity(x, y, 0.003)
    assert_close(step.v, target.to(dtype) @ y - x, rtol=0, atol=0.02)


@st.composite
def awkward_clouds(draw):
    """Two clouds, scattered, lumped or in duplicate, of any size up to 40."""
    dtype, d = draw(st.sampled_from([torch.float32, torch.float64])), draw(st.integers(1, 5))
    seed, clouds = draw(st.integers(0, 10**6)), []
    for k in (0, 1):
        n, width = draw(st.integers(1, 40)), draw(st.sampled_from([0.0, 1e-3, 0.1, 1.0]))
        centres = cloud(draw(st.integers(1, 4)), seed + k, d)
        clouds.append((centres.repeat(40, 1)[:n] * 3 + width * cloud(n, seed + k + 2, d)).to(dtype))
    return clouds


@given(awkward_clouds(), st.floats(-2, 2))
@settings(max_examples=100)
def test_any_problem_converges_or_says_that_it_did_not(clouds, log_blur):
    try:
        step = velocity(*clouds, 10**log_blur)
    except NotConverged:
        return
    assert step.error <= 1e-3
    assert step.v.isfinite().all()
    assert step.energy.isfinite()


def test_the_solver_leaves_the_process_its_number_of_threads():
    """Launching numba's pool resets it, once a process: hence a process of its own."""
    script = (
        "import torch; torch.set_num_threads(1); from nsgf.ot import velocity;"
        "x = torch.zeros(4, 2); velocity(x, x + 1, 0.5); print(torch.get_num_threads())"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout.strip() == "1", run.stderr


def test_one_hard_problem_does_not_change_its_neighbours(monkeypatch):
    """Only what fails is solved again: a result does not depend on what shares its batch."""
    easy, hard = costs(torch.float32, batch=1), costs(torch.float32, batch=1, seed=9) * 1e4
    goal = first_goal(1e-2, torch.empty(2))
    alone = newton.solve(easy, 0.25, goal[:1])
    first = kernels.descend

    def short(cost, eps, start, rules):
        steps = 12 if rules.follow > 1e-3 else rules.max_steps
        return first(cost, eps, start, dataclasses.replace(rules, max_steps=steps))

    monkeypatch.setattr(kernels, "descend", short)
    both_found = newton.solve(torch.cat([easy, hard]), 0.25, goal)
    assert (both_found.error <= 1e-2).all()
    assert torch.equal(both_found.plan[0], alone.plan[0])
    assert torch.equal(both_found.g[0], alone.g[0])


def test_float32_reaches_a_tolerance_below_its_own_floor_in_double():
    x, y = cloud(64, 21, batch=3, dtype=torch.float32), cloud(64, 22, batch=3, dtype=torch.float32)
    step, exact = velocity(x, y, 0.5, 1e-6), velocity(x.double(), y.double(), 0.5, 1e-9).v
    assert step.v.dtype == torch.float32
    gap = (step.v - exact).norm(dim=(-2, -1)) / exact.norm(dim=(-2, -1))
    assert (gap <= step.error).all()
    assert (step.error <= 1e-6).all()


def test_a_tolerance_that_float32_cannot_hold_is_not_promised():
    x, y = cloud(64, 21, dtype=torch.float32), cloud(64, 22, dtype=torch.float32)
    with pytest.raises(NotConverged, match="give float64"):
        velocity(x, y, 0.5, 1e-10)


@both
@pytest.mark.parametrize("d", [2, FEW + 1])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_warm_start_for_what_is_no_number_ends(dtype, d, bad):
    x, y = cloud(16, 31, d, dtype=dtype), cloud(16, 32, d, dtype=dtype) + 1
    start = velocity(x, y, 0.5).potential
    x[3, 0] = bad
    with pytest.raises(NsgfError, match="not finite"):
        velocity(x, y, 0.5, start=start)


@both
@pytest.mark.parametrize("scale", [1e-15, 1e16])
def test_warm_starts_know_no_scale(dtype, scale):
    x, y = cloud(40, 33, dtype=dtype), cloud(40, 34, dtype=dtype) + 1
    unit = velocity(x, y, 0.5)
    there = velocity(scale * x, scale * y, 0.5 * scale)
    again = velocity(scale * x, scale * y, 0.5 * scale, start=there.potential)
    assert_close(again.v / scale, unit.v, rtol=0, atol=2e-3)


def test_costs_that_are_too_large_for_a_precision_are_solved_in_double():
    x, y = cloud(16, 31, dtype=torch.float32), cloud(16, 32, dtype=torch.float32) + 1
    step, exact = (velocity(1e20 * x.to(t), 1e20 * y.to(t), 1e18) for t in (x.dtype, torch.float64))
    assert_close(step.v / 1e20, (exact.v / 1e20).float(), rtol=0, atol=1e-4)
    with pytest.raises(NotConverged, match="above tol"):
        velocity(1e20 * x, 1e20 * y, 0.5)


def test_a_cloud_that_is_one_point_stays_cheap_along_a_flow():
    flow = sinkhorn_flow(torch.zeros(50, 2), torch.zeros(50, 2), 0.5, 0.3, 4)
    assert set(flow.iterations[1:]) == {flow.iterations[1]}
    assert flow.iterations[1] <= 4


@pytest.mark.parametrize("goal", [torch.tensor([1e-5, 1e-5]), torch.tensor(1e-5)])
def test_a_goal_for_other_problems_is_refused(goal):
    x = cloud(8, 35)
    with pytest.raises(NsgfError, match="goal"):
        velocity(x, x + 1, 0.5, goal=goal)

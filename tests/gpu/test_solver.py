"""The Sinkhorn solver and its flows: the device's answers are the CPU's, to 1e-4 of their norm."""

import importlib.util
import math

import pytest
import torch

from nsgf.errors import NsgfError
from nsgf.flows import sinkhorn_flow
from nsgf.flows.gram import gram_flow
from nsgf.ops.bench.clouds import KINDS
from nsgf.ot import sinkhorn_divergence, velocity
from nsgf.ot.error import NEGLIGIBLE
from nsgf.ot.sinkhorn import self_cost
from nsgf.rng import stream

TOL = 4e-5  # bounds on two velocities' errors: together below what is asked here
both = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


def clouds(n: int, m: int, d: int = 2, batch: tuple[int, ...] = (), dtype=torch.float32):
    numbers = stream(0, "gpu", n, m, d)
    x, y = numbers.normal(*batch, n, d), 0.5 * numbers.normal(*batch, m, d) + 2 / math.sqrt(d)
    return x.to(dtype), y.to(dtype)


@both
@pytest.mark.parametrize("kind", KINDS)
def test_velocities_of_awkward_clouds(kind, dtype, there, agree):
    x, y = (cloud.to(dtype) for cloud in KINDS[kind](stream(0, "gpu", kind)))
    points = torch.cat([x, y]).double()
    size = float((points - points.median(0).values).norm(dim=-1).median())
    blur = 0.3 * (size or float((x.mean(0) - y.mean(0)).norm()))
    expected, found = velocity(x, y, blur, TOL), there(velocity, x, y, blur, TOL)
    assert float(found.error) <= TOL
    agree(found.v, expected.v, least=NEGLIGIBLE * size * len(x) ** 0.5)


@both
@pytest.mark.parametrize(
    ("batch", "n", "m", "d"),
    [((64,), 48, 48, 2), ((8,), 17, 150, 3), ((3,), 100, 60, 784)],
    ids=["batch of 64", "ragged", "images"],
)
def test_velocities_energies_and_costs_of_batches(batch, n, m, d, dtype, there, agree):
    x, y = clouds(n, m, d, batch, dtype)
    blur = 0.3 * math.sqrt(d)
    expected, found = velocity(x, y, blur, TOL), there(velocity, x, y, blur, TOL)
    agree(found.v, expected.v)
    agree(found.energy, expected.energy)
    agree(there(self_cost, y, blur, TOL), self_cost(y, blur, TOL))
    divergence = sinkhorn_divergence(x, y, blur, TOL)
    agree(there(sinkhorn_divergence, x, y, blur, TOL), divergence)


def test_one_large_problem(there, agree):
    x, y = clouds(1024, 1024)  # which the CPU cuts into blocks
    agree(there(velocity, x, y, 0.4, TOL).v, velocity(x, y, 0.4, TOL).v)


@both
def test_a_warm_start_saves_work_and_changes_nothing(dtype, there, agree):
    x, y = clouds(128, 128, batch=(4,), dtype=dtype)
    expected = velocity(x, y, 0.1, TOL)
    cold, start = there(velocity, x, y, 0.1, TOL), 0.999 * expected.potential
    warm = there(velocity, x, y, 0.1, TOL, start=start)
    agree(cold.v, expected.v)
    agree(warm.v, expected.v)
    assert warm.iterations < cold.iterations


@both
@pytest.mark.parametrize("through_gram", [False, True], ids=["points", "Gram"])
@pytest.mark.parametrize(("batch", "d"), [((), 2), ((3,), 2), ((3,), 784)], ids=str)
def test_whole_flows(batch, d, through_gram, dtype, there, agree):
    x, y = clouds(64, 50, d, batch, dtype)
    words = (0.35 * math.sqrt(d), 0.3, 5, TOL)
    expected = sinkhorn_flow(x, y, *words, through_gram=through_gram)
    found = there(sinkhorn_flow, x, y, *words, through_gram=through_gram)
    for name in ("v", "end", "divergence"):
        agree(getattr(found, name), getattr(expected, name))
    assert found.converged


@both
def test_plans_along_a_flow_of_inner_products(dtype, there, agree):
    x, y = clouds(40, 30, 30, (3,), dtype)
    x[1] /= 50  # one whose particles rest among two that move
    expected = list(gram_flow(x, y, 1.5, 0.3, 3, TOL))
    found = there(lambda *words: list(gram_flow(*words)), x, y, 1.5, 0.3, 3, TOL)
    for one, other in zip(found, expected, strict=True):
        agree(one.across, other.across)
        agree(one.within, other.within)


@pytest.mark.parametrize("backend", ["geomloss", "geomloss-online", "flash-sinkhorn"])
def test_other_solvers(backend, device, there, agree):
    needs = {"geomloss-online": "pykeops", "flash-sinkhorn": "flash_sinkhorn"}.get(backend, backend)
    if importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed")
    if device.type == "cpu":
        pytest.skip("on a CPU it has one implementation")
    x, y = clouds(128, 128)
    if backend == "flash-sinkhorn":  # has no CPU version, and float32 kernels alone
        found, expected = there(velocity, x, y, 0.5, 1e-3, backend=backend), velocity(x, y, 0.5)
        agree(found.v, expected.v, within=2e-3)
        return
    settings = {"backend": "geomloss", "scaling": 0.9}
    expected = velocity(x, y, 0.5, **settings)
    agree(there(velocity, x, y, 0.5, **settings | {"backend": backend}).v, expected.v)


@pytest.mark.parametrize("d", [2, 600])
def test_a_coordinate_that_is_no_number_is_refused(d, there):
    x, y = clouds(16, 16, d)
    y[3, 1] = torch.nan
    with pytest.raises(NsgfError):
        there(sinkhorn_flow, x, y, 1.0, 0.3, 2)

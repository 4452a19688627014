"""Pools stored as coefficients: the same rows as pools of points, from far fewer bytes."""

import json

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.testing import assert_close

from nsgf.config.pool import PoolStage
from nsgf.data.problem import open_problem
from nsgf.errors import NsgfError
from nsgf.flows import coefficients
from nsgf.flows.gram import gram_flow
from nsgf.flows.minibatch import minibatches
from nsgf.flows.pool import open_pool
from nsgf.flows.sinkhorn import sinkhorn_flow
from nsgf.registry import STORAGES, module_of
from nsgf.rng import stream
from tests.image_sets import image_set
from tests.test_pool import (
    STAGE,
    build,
    facts,
    killed_after,
    own_state,  # noqa: F401, an autouse fixture
    resumes_to_the_same_bytes,
    unit,
)

WAITS = {"aten::_local_scalar_dense", "aten::item", "aten::nonzero", "aten::is_nonzero"}
SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}


@pytest.fixture(params=["mnist", "cifar10"])
def name(request):
    return request.param


@pytest.fixture
def data(tmp_path, name):
    return image_set(tmp_path / "data", name, SHAPES[name])


def blur_of(name):
    """Wide enough that plans mix several images, and for MNIST particles with each other."""
    return {"mnist": 12.0, "cifar10": 6.0}[name]


@pytest.fixture
def pools(tmp_path, name, data, monkeypatch):
    """The same pool in both forms."""
    monkeypatch.setitem(STAGE, "flow", STAGE["flow"] | {"blur": blur_of(name)})
    forms = {}
    for form in ("points", "coefficients"):
        (folder,) = build(tmp_path, form, [unit(dataset=name)], data, storage=form)
        forms[form] = folder
    return forms


def test_rows_are_those_of_a_pool_of_points(pools, name, data):
    problem = open_problem(name, data)
    a, b = (open_pool([folder], problem).draw(300, stream(0)) for folder in pools.values())
    assert torch.equal(a.t, b.t)
    assert_close(b.x, a.x, atol=2e-4, rtol=0)
    assert (b.v - a.v).norm() < 1e-4 * a.v.norm()
    assert facts(pools["coefficients"] / "weights.npy")["storage_error_max"] < 1e-4


@pytest.mark.parametrize("form", ["points", "coefficients"])
def test_a_pool_in_a_devices_memory_draws_the_same_rows(tmp_path, name, data, monkeypatch, form):
    """From several shards, without asking the device for anything between two draws."""
    monkeypatch.setitem(STAGE, "flow", STAGE["flow"] | {"blur": blur_of(name)})
    units = [unit(dataset=name, shard=k) for k in range(2)]
    folders = build(tmp_path, form, units, data, storage=form, shards=2)
    problem = open_problem(name, data)
    shards = [module_of(STORAGES[form].module).Shard(folder, problem) for folder in folders]
    held = module_of(STORAGES[form].module).resident(shards, torch.device("cpu"))
    pool = open_pool(folders, problem)
    assert len(held) == len(pool)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        drawn = held.draw(100, stream(0, "draw"))
    assert not {event.key for event in seen.key_averages()} & WAITS
    expected = pool.draw(100, stream(0, "draw"))
    assert torch.equal(drawn.t, expected.t)
    assert_close(drawn.x, expected.x, rtol=0, atol=2e-6)
    assert_close(drawn.v, expected.v, rtol=0, atol=4e-5)


def test_gram_space_is_the_direct_flow_in_double_precision(name, data):
    """To 1e-7 over five steps, where plans mix and where they are nearly permutations."""
    problem = open_problem(name, data)
    end = problem.minibatch(32, 0, "gram")
    for blur in (blur_of(name), 1.0):
        x, y = end.x0.double(), end.y.double()
        direct = sinkhorn_flow(x, y, blur, 0.2, 5, tol=1e-8, through_gram=False)
        for k, step in enumerate(gram_flow(x[None], y[None], blur, 0.2, 5, tol=1e-8)):
            v = step.across[0] @ y - (x if step.within is None else step.within[0] @ x)
            assert (v - direct.v[k]).norm() < 1e-7 * direct.v[k].norm()
            assert_close(step.divergence[0], direct.divergence[k], rtol=1e-8, atol=0)
            x = x + 0.2 * v


def test_a_dense_plan_within_is_stored_too(pools, name, data):
    """At MNIST's wide blur particles share mass: rows of A have more entries than their own."""
    problem, stage = open_problem(name, data), PoolStage.model_validate(STAGE)
    end = minibatches(problem, stage, unit(dataset=name), [0])[0]
    first = next(gram_flow(end.x0[None], end.y[None], blur_of(name), 0.3, 1))
    assert (first.within is None) == (name == "cifar10")


def test_any_noise_row_alone_is_the_row_of_the_block(name, data):
    problem = open_problem(name, data)
    block = problem.minibatch(20, 3, "a", 1).x0
    assert torch.equal(problem.noise([7, 0, 19], 3, "a", 1), block[[7, 0, 19]])
    assert not torch.equal(problem.noise([7], 3, "a", 2), block[[7]])
    assert abs(float(block.mean())) < 0.05
    assert float(block.std()) == pytest.approx(1, abs=0.05)
    assert abs(float(torch.corrcoef(block)[0, 1:].mean())) < 0.05


def test_content_does_not_depend_on_shards(tmp_path, name, data):
    settings = {"storage": "coefficients"}
    (whole,) = build(tmp_path, "whole", [unit(dataset=name)], data, **settings)
    parts = build(
        tmp_path,
        "parts",
        [unit(shard=k, dataset=name) for k in range(3)],
        data,
        shards=3,
        **settings,
    )
    for file in ("target.npy", "columns.npy", "weights.npy"):
        together = np.concatenate([np.load(p / file) for p in parts])
        assert np.array_equal(np.load(whole / file), together)
    problem = open_problem(name, data)
    a, b = (open_pool(p, problem).draw(100, stream(1)) for p in ([whole], parts))
    assert torch.equal(a.x, b.x)
    assert torch.equal(a.v, b.v)


@pytest.mark.parametrize(
    ("settings", "bound"), [({"dtype": "float16"}, 1e-2), ({"drop": 9e-3}, 0.6)]
)
def test_rounding_and_dropping_cost_what_is_recorded(pools, name, data, tmp_path, settings, bound):
    exact = pools["coefficients"]
    (less,) = build(
        tmp_path, "less", [unit(dataset=name)], data, storage="coefficients", **settings
    )
    assert (less / "weights.npy").stat().st_size < (exact / "weights.npy").stat().st_size
    recorded = facts(less / "weights.npy")["storage_error_max"]
    assert facts(exact / "weights.npy")["storage_error_max"] < recorded < bound
    problem = open_problem(name, data)
    a, b = (open_pool([folder], problem).draw(300, stream(0)) for folder in (exact, less))
    seen = float((b.v - a.v).norm() / a.v.norm())
    assert seen < 2 * recorded


def test_a_torn_shard_is_resumed_to_the_same_bytes(tmp_path, monkeypatch, capsys, name, data):
    killed_after(monkeypatch, coefficients, groups=3)
    resumes_to_the_same_bytes(
        tmp_path,
        monkeypatch,
        capsys,
        coefficients,
        unit(dataset=name),
        data,
        storage="coefficients",
    )


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("weights.npy", lambda path: path.unlink()),
        ("starts.npy", lambda path: path.write_bytes(path.read_bytes()[:-100])),
        ("columns.npy", lambda path: np.save(path, np.zeros(3, np.uint16))),
        ("flow.json", lambda path: path.write_text(json.dumps({"storage": "coefficients"}))),
    ],
)
def test_a_damaged_shard_is_one_message(pools, name, data, file, damage):
    damage(pools["coefficients"] / file)
    with pytest.raises(
        NsgfError, match=r"pool shard '.*' (cannot be read|do not fit)|of pool shard"
    ):
        open_pool([pools["coefficients"]], open_problem(name, data))

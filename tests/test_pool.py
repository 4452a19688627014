"""Trajectory pools: content independent of shards and jobs; rows as stored; errors that help."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from nsgf.config.pool import PoolStage
from nsgf.data.problem import open_problem
from nsgf.engine.make import make
from nsgf.engine.state import state_root
from nsgf.errors import NsgfError
from nsgf.flows import points
from nsgf.flows.minibatch import minibatches, trajectories
from nsgf.flows.pool import batches_of_shard, open_pool
from nsgf.flows.streaming import StreamingPool
from nsgf.rng import stream
from nsgf.stages import build_pool
from tests.image_sets import image_set
from tests.tasks import task

STAGE = {
    "seed": 5,
    "flow": {"steps": 3, "step_size": 0.3, "blur": 0.5},
    "pool": {"batch_size": 16, "batches": 5, "shards": 1},
    "compute": {"device": "cpu"},
}


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("NSGF_STATE", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def images(tmp_path):
    """A folder of image sets: sixty-four blurred patterns under MNIST's name."""
    return image_set(tmp_path / "data", "mnist", (1, 28, 28))


def pool_tasks(folder, units, data=None, **pool):
    """A task of each shard, in folder/seed<s>-<shard>; `data` is a folder of image sets."""
    settings = PoolStage.model_validate(STAGE | {"pool": STAGE["pool"] | pool})
    modules = build_pool.modules_of(settings)
    files = sorted((data / units[0]["dataset"]).glob("train_*.npy")) if data else []
    return [
        task(
            "build-pool",
            u,
            settings,
            {"data": files} if files else {},
            build_pool.shard_files(f"{folder}/seed{u['seed']}-{u['shard']}", settings),
            modules=modules,
        )
        for u in units
    ]


def build(tmp_path, name, units, data=None, **pool):
    """Make shards, all in one process; returns their folders."""
    made = pool_tasks(tmp_path / name, units, data, **pool)
    make(made)
    return [Path(work.artefacts[0]).parent for work in made]


def unit(seed=0, shard=0, dataset="moons"):
    return {"dataset": dataset, "seed": seed, "shard": shard}


def facts(path):
    return json.loads((path.parent / f"{path.name}.prov.json").read_text())["facts"]


def test_content_does_not_depend_on_shards(tmp_path):
    (whole,) = build(tmp_path, "whole", [unit()])
    parts = build(tmp_path, "parts", [unit(shard=k) for k in range(3)], shards=3)
    together = np.concatenate([np.load(p / "x.npy") for p in parts])
    assert np.array_equal(np.load(whole / "x.npy"), together)


def test_bytes_do_not_depend_on_how_units_share_a_process(tmp_path):
    together = build(tmp_path, "together", [unit(0), unit(1)])
    alone = [build(tmp_path, "alone", [unit(s)])[0] for s in (1, 0)][::-1]
    for a, b in zip(together, alone, strict=True):
        for name in ("x.npy", "v.npy", "divergence.csv"):
            assert (a / name).read_bytes() == (b / name).read_bytes()


def test_stored_rows_are_the_flow(tmp_path):
    (folder,) = build(tmp_path, "p", [unit()])
    stage, problem = PoolStage.model_validate(STAGE), open_problem("moons", None)
    flow = trajectories(stage, minibatches(problem, stage, unit(), [2]))
    assert np.array_equal(np.load(folder / "x.npy")[2], flow.x[:, 0])
    x, v = np.load(folder / "x.npy"), np.load(folder / "v.npy")
    assert_close(x[:, 1], x[:, 0] + np.float32(0.3) * v[:, 0])


def test_a_second_minibatch_flows_beside_each_and_is_not_stored(tmp_path):
    stage = PoolStage.model_validate(STAGE | {"flow": STAGE["flow"] | {"self_term": "second"}})
    problem = open_problem("moons", None)
    ends = minibatches(problem, stage, unit(), [2, 3])
    assert len(ends) == 4
    flow = trajectories(stage, ends)
    assert torch.equal(flow.x[0, 0], minibatches(problem, stage, unit(), [2])[0].x0)
    assert flow.x.shape[1] == flow.end.shape[0] == 2
    alone = trajectories(stage, minibatches(problem, stage, unit(), [3]))
    assert_close(flow.v[:, 1], alone.v[:, 0])


def test_a_draw_returns_rows_of_the_pool(tmp_path):
    parts = build(tmp_path, "parts", [unit(shard=k) for k in range(2)], shards=2)
    pool = open_pool(parts, open_problem("moons", None))
    assert len(pool) == 5 * 3 * 16
    draw = pool.draw(500, stream(0))
    known = {
        (round(float(a), 5), round(float(b), 5), k)
        for p in parts
        for batch in np.load(p / "x.npy")
        for k, state in enumerate(batch)
        for a, b in state
    }
    for (a, b), t in zip(draw.x, draw.t, strict=True):
        assert (round(float(a), 5), round(float(b), 5), round(float(t) * 3)) in known
    assert sorted(set((3 * draw.t).round().tolist())) == [0, 1, 2]


def test_half_precision_halves_the_pool_and_its_error_is_recorded(tmp_path):
    (single,) = build(tmp_path, "single", [unit()])
    (half,) = build(tmp_path, "half", [unit()], dtype="float16")
    v, rounded = np.load(single / "v.npy"), np.load(half / "v.npy")
    assert rounded.nbytes == v.nbytes // 2
    error = np.linalg.norm(rounded - v, axis=(-2, -1)) / np.linalg.norm(v, axis=(-2, -1))
    recorded = facts(half / "v.npy")["storage_error_max"]
    assert recorded == pytest.approx(error.max(), rel=0.01)  # five minibatches are one group
    assert facts(single / "v.npy")["storage_error_max"] == 0
    draw = open_pool([half], open_problem("moons", None)).draw(8, stream(0))
    assert draw.v.dtype == torch.float32


def test_a_streaming_pool_holds_the_same_flows_and_renews_them(tmp_path):
    (folder,) = build(tmp_path, "p", [unit()])
    problem, pool = open_problem("moons", None), {"storage": "streaming", "window": 5}
    stage = PoolStage.model_validate(STAGE | {"pool": STAGE["pool"] | pool | {"renew_every": 3}})
    streaming, stored = StreamingPool(problem, stage, unit()), open_pool([folder], problem)
    for step in (0, 2):
        a, b = streaming.draw(200, stream(0), step), stored.draw(200, stream(0), step)
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.v, b.v)
        assert torch.equal(a.t, b.t)
    later = streaming.draw(200, stream(0), 30)
    assert not torch.equal(later.x, b.x)
    resumed = StreamingPool(problem, stage, unit()).draw(200, stream(0), 30)
    assert torch.equal(later.x, resumed.x)


@pytest.mark.parametrize(("batches", "shards"), [(5, 3), (1, 1), (10, 10), (3, 5)])
def test_shards_partition_the_batches(batches, shards):
    parts = [batches_of_shard(batches, shards, k) for k in range(shards)]
    assert [b for part in parts for b in part] == list(range(batches))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_half_written_curve_is_cut_and_the_pool_resumed(tmp_path, monkeypatch, capsys):
    killed_after(monkeypatch, points, groups=3)
    resumes_to_the_same_bytes(tmp_path, monkeypatch, capsys, points, unit(), None)


def killed_after(monkeypatch, form, groups):
    """Groups of one minibatch, made lasting at once; the process dies after a few."""
    monkeypatch.setattr(build_pool, "FLUSH_EVERY", 1)
    monkeypatch.setattr(form, "GROUP", 1)
    real, calls = form.Writer.put, iter(range(groups))

    def put(self, first, ends):
        next(calls)
        return real(self, first, ends)

    monkeypatch.setattr(form.Writer, "put", put)


def resumes_to_the_same_bytes(tmp_path, monkeypatch, capsys, form, which, data, **pool):
    with pytest.raises(StopIteration):
        build(tmp_path, "again", [which], data, **pool)
    (curve,) = list(state_root().glob("*/divergence.csv"))
    curve.write_text(curve.read_text() + "3,0,0.1")  # torn line
    for raw in curve.parent.glob("*.raw"):
        raw.write_bytes(raw.read_bytes() + b"torn")
    monkeypatch.undo()
    monkeypatch.setenv("NSGF_STATE", str(curve.parent.parent))
    (again,) = build(tmp_path, "again", [which], data, **pool)
    assert "at step 3" in capsys.readouterr().out
    (whole,) = build(tmp_path, "whole", [which], data, **pool)
    files = sorted(p.name for p in whole.iterdir() if not p.name.endswith(".prov.json"))
    assert len(files) >= 4
    for name in files:
        assert (whole / name).read_bytes() == (again / name).read_bytes()


def test_a_rising_divergence_stops_the_build_again_and_again(tmp_path, monkeypatch):
    real = points.Writer.put

    def rising(*words):
        divergence, *rest = real(*words)
        return divergence.flip(0), *rest

    monkeypatch.setattr(points.Writer, "put", rising)
    for _ in range(2):  # the second time it finds all batches done
        with pytest.raises(NsgfError, match="does not decrease"):
            build(tmp_path, "p", [unit()])
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("damage", ["truncate", "delete", "text"])
@pytest.mark.parametrize("name", ["v.npy", "flow.json"])
def test_a_damaged_shard_is_one_message(tmp_path, name, damage):
    (folder,) = build(tmp_path, "p", [unit()])
    path = folder / name
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "delete":
        path.unlink()
    else:
        path.write_text("no array")
    with pytest.raises(NsgfError, match="cannot be read"):
        open_pool([folder], open_problem("moons", None))


def test_a_pool_of_another_dimension_is_refused(tmp_path, images):
    (folder,) = build(tmp_path, "p", [unit()])
    with pytest.raises(NsgfError, match="needs 784-d"):
        open_pool([folder], open_problem("mnist", images))


@pytest.mark.parametrize("storage", ["points", "coefficients"])
def test_a_pool_of_steps_that_arrive_holds_what_a_sampler_adds(images, storage):
    """States go on by 1 / T of what is learnt, in either storage; the last state is the flow's."""
    flow = {"steps": 3, "step_size": "arriving", "blur": 0.5}
    stage = PoolStage.model_validate(STAGE | {"flow": flow})
    assert stage.flow.sizes == (1 / 3, 1 / 2, 1)
    problem = open_problem("mnist", images)
    (ends,) = minibatches(problem, stage, unit(dataset="mnist"), [0])
    found = trajectories(stage, [ends])
    states = torch.cat([found.x, found.end[None]])
    assert_close(states[1:], states[:-1] + found.v / 3, rtol=0, atol=1e-5)
    pool = stage.pool.model_copy(update={"storage": storage, "batches": 1})
    settings = stage.model_copy(update={"pool": pool})
    files = sorted((images / "mnist").glob("train_*.npy"))
    names = build_pool.shard_files(f"{images}/pool", settings)
    modules = build_pool.modules_of(settings)
    one = unit(dataset="mnist")
    make([task("build-pool", one, settings, {"data": files}, names, modules=modules)])
    shard = open_pool([images / "pool"], problem)
    drawn = shard.draw(200, stream(1))
    k = (3 * drawn.t).round().long()
    flat = states[:, 0]
    row = torch.cdist(drawn.x, flat.flatten(0, 1)).argmin(1) % flat.shape[1]
    assert_close(drawn.x, flat[k, row], rtol=0, atol=1e-4)
    assert_close(drawn.x + drawn.v / 3, flat[k + 1, row], rtol=0, atol=2e-3)

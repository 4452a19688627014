"""Trajectory pools: content independent of shards and jobs; rows as stored; errors that help."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from nsgf.config.pool import PoolStage
from nsgf.data.problem import open_problem
from nsgf.errors import NsgfError
from nsgf.flows.pool import Pool, batches_of_shard, trajectory
from nsgf.rng import stream
from nsgf.stages import build_pool

STAGE = {
    "seed": 5,
    "flow": {"steps": 3, "step_size": 0.3, "blur": 0.5, "scaling": 0.5},
    "pool": {"batch_size": 16, "batches": 5, "shards": 1},
    "compute": {"device": "cpu"},
}


def stage_file(tmp_path, **pool):
    path = tmp_path / f"stage{len(list(tmp_path.iterdir()))}.json"
    path.write_text(json.dumps(STAGE | {"pool": STAGE["pool"] | pool}))
    return path


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("NSGF_STATE", str(tmp_path_factory.mktemp("state")))


def build(tmp_path, name, units, **pool):
    out = str(tmp_path / name / "seed{seed}-{shard}")
    build_pool.run(stage_file(tmp_path, **pool), units, None, out)
    return [tmp_path / name / f"seed{u['seed']}-{u['shard']}" for u in units]


def unit(seed=0, shard=0):
    return {"dataset": "moons", "seed": seed, "shard": shard}


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
    stage = PoolStage.model_validate(STAGE)
    flow = trajectory(open_problem("moons", None), stage, "moons", 0, 2)
    assert_close(torch.from_numpy(np.load(folder / "x.npy")[2]), flow.x)
    x, v = np.load(folder / "x.npy"), np.load(folder / "v.npy")
    assert_close(x[:, 1], x[:, 0] + np.float32(0.3) * v[:, 0])


def test_a_draw_returns_rows_of_the_pool(tmp_path):
    parts = build(tmp_path, "parts", [unit(shard=k) for k in range(2)], shards=2)
    pool = Pool(parts, 2)
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


@pytest.mark.parametrize(("batches", "shards"), [(5, 3), (1, 1), (10, 10), (3, 5)])
def test_shards_partition_the_batches(batches, shards):
    parts = [batches_of_shard(batches, shards, k) for k in range(shards)]
    assert [b for part in parts for b in part] == list(range(batches))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_half_written_curve_is_cut_and_the_pool_resumed(tmp_path, monkeypatch, capsys):
    (whole,) = build(tmp_path, "whole", [unit()])
    monkeypatch.setattr(build_pool, "FLUSH_EVERY", 1)
    real, calls = build_pool.trajectory, iter(range(3))

    def killed(*words):
        next(calls)
        return real(*words)

    monkeypatch.setattr(build_pool, "trajectory", killed)
    with pytest.raises(StopIteration):
        build(tmp_path, "again", [unit()])
    (curve,) = list(build_pool.WorkState("x").path.parent.glob("*/divergence.csv"))
    curve.write_text(curve.read_text() + "3,0,0.1")  # torn line
    monkeypatch.setattr(build_pool, "trajectory", real)
    (again,) = build(tmp_path, "again", [unit()])
    assert "at step 3" in capsys.readouterr().out
    for name in ("x.npy", "v.npy", "divergence.csv"):
        assert (whole / name).read_bytes() == (again / name).read_bytes()


def test_a_rising_divergence_stops_the_build_again_and_again(tmp_path, monkeypatch):
    real = build_pool.trajectory

    def rising(*words):
        flow = real(*words)
        return dataclasses.replace(flow, divergence=flow.divergence.flip(0))

    monkeypatch.setattr(build_pool, "trajectory", rising)
    for _ in range(2):  # the second time it finds all batches done
        with pytest.raises(NsgfError, match="does not decrease"):
            build(tmp_path, "p", [unit()])
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("damage", ["truncate", "delete", "text"])
def test_a_damaged_shard_is_one_message(tmp_path, damage):
    (folder,) = build(tmp_path, "p", [unit()])
    path = folder / "v.npy"
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "delete":
        path.unlink()
    else:
        path.write_text("no array")
    with pytest.raises(NsgfError, match="cannot be read"):
        Pool([folder], 2)


def test_a_pool_of_another_dimension_is_refused(tmp_path):
    (folder,) = build(tmp_path, "p", [unit()])
    with pytest.raises(NsgfError, match="needs 784-d"):
        Pool([folder], 784)

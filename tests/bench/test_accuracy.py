"""`nsgf bench accuracy`: the dense reference, and that errors keep within their bounds."""

import json
import math

import numpy as np
import ot
import pytest
import torch

from nsgf.cli import main
from nsgf.ops.bench import accuracy, exact
from nsgf.ops.bench.clouds import KINDS
from nsgf.rng import stream
from tests.laws.clouds import cloud

SOME = ("normal, d = 2", "Cauchy, d = 5", "offset 1e5", "x equals y", "one particle")


@pytest.mark.parametrize("blur", [0.5, 1.0])
def test_dense_velocities_are_those_of_pots_sinkhorn(blur):
    x, y = (points.numpy() for points in (cloud(15, 1), cloud(21, 2) + 1))
    rules = {"method": "sinkhorn_log", "numItermax": 50_000, "stopThr": 1e-13}
    plans = [len(x) * ot.sinkhorn([], [], ot.dist(x, z) / 2, blur**2, **rules) @ z for z in (y, x)]
    v, error = exact.velocity(x, y, blur)
    assert error <= exact.COLUMN
    np.testing.assert_allclose(v, plans[0] - plans[1], rtol=0, atol=1e-7)


def test_every_problem_keeps_within_its_bound(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(accuracy, "KINDS", {kind: KINDS[kind] for kind in SOME})
    monkeypatch.setattr(accuracy, "DRAWS", 1)
    file = tmp_path / "a.json"
    assert main(["bench", "accuracy", "--json", str(file)]) == 0
    rows = json.loads(file.read_text())
    assert len(rows) == len(SOME) * 2 * len(accuracy.BLURS)
    assert all(row["error"] <= row["bound"] + accuracy.KNOWN for row in rows)
    assert all(row["bound"] <= accuracy.TOL for row in rows)
    assert "80 problems: 80 within their bounds, 0 raised" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json.prov.json").read_text())["config"]["kinds"] == [*SOME]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_gives_two_clouds_and_the_same_ones_again(kind):
    (x, y), (again, _) = (KINDS[kind](stream(0, "kind")) for _ in range(2))
    assert x.dtype == y.dtype == torch.float64
    assert x.dim() == y.dim() == 2
    assert x.shape[1] == y.shape[1]
    assert torch.equal(x, again)
    assert math.isfinite(float(x.square().sum() + y.square().sum()))

"""Velocities of minibatches and of few sweeps: what is known of them, and the job that looks."""

import json

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from nsgf.config.figure import Figure, FigureStage
from nsgf.config.metrics import Judging
from nsgf.config.pool import Flow, Probe
from nsgf.metrics.probe import minibatch_errors, sweep_errors, swept
from nsgf.ot import velocity
from nsgf.report import probe, probe_table
from nsgf.report.style import look
from nsgf.rng import stream
from nsgf.stages.probe import ProbeStage
from tests.laws.clouds import cloud
from tests.tasks import run


def test_the_error_of_a_minibatch_is_that_of_its_means_at_a_large_blur():
    """There v = mean(y) - mean(x): no bias but x's own share, and a known variance."""
    x, y, n = cloud(500, 0), cloud(500, 1) + 2, 10
    bias, variance = minibatch_errors(x, y, 100.0, n, 20, 4000, stream(3))
    speed = (y.mean(0) - x.mean(0)).square().sum()
    spread = x.var(0, correction=0).sum() * (n - 1) / n**2 + y.var(0, correction=0).sum() / n
    assert variance == pytest.approx(float(spread / speed), rel=0.05)
    own = (x - x.mean(0)).square().sum(1).mean() / n**2  # E |(x - mean) / n|^2 over queries
    assert bias == pytest.approx(float(own / speed), rel=0.8)  # twenty queries of five hundred


def test_a_bias_of_nothing_is_zero_on_average():
    x = torch.zeros(64, 2, dtype=torch.float64)  # all in one place: v is the mean target less that
    y = cloud(64, 1) + 2
    found = [minibatch_errors(x, y, 1.0, 8, 4, 16, stream(k))[0] for k in range(200)]
    mean, spread = torch.tensor(found).mean(), torch.tensor(found).std() / 200**0.5
    assert abs(float(mean)) < 3 * float(spread)
    assert min(found) < 0 < max(found)


def test_sweeps_are_pots_and_end_at_the_exact_velocity():
    import ot

    x, y, blur = cloud(12, 0, batch=2), cloud(9, 1, batch=2) + 1, 1.0
    v = swept(x, y, blur, 3)
    for k in range(2):
        cost = torch.cdist(x[k], y[k]).square() / 2
        options = {"numItermax": 3, "stopThr": 0, "warn": False}
        plan = torch.from_numpy(ot.sinkhorn([], [], cost.numpy(), blur**2, **options))
        plan = plan / plan.sum(1, keepdim=True)
        within = torch.from_numpy(
            ot.sinkhorn([], [], (torch.cdist(x[k], x[k]).square() / 2).numpy(), 1.0, **options)
        )
        within = within / within.sum(1, keepdim=True)
        assert_close(v[k], plan @ y[k] - within @ x[k])
    assert_close(swept(x, y, blur, 500), velocity(x, y, blur, 1e-9).v, rtol=0, atol=1e-7)


def test_more_sweeps_err_less():
    flow = Flow(steps=3, step_size=0.3, blur=0.5)
    errors = [sweep_errors(cloud(24, 0), cloud(24, 1) + 1, flow, 0.3, k) for k in (1, 10, 100)]
    means = [float(e.mean()) for e in errors]
    assert errors[0].shape == (3,)
    assert means[0] > means[1] > means[2]


def test_the_job_writes_a_row_for_each_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("NSGF_STATE", str(tmp_path / "state"))
    small = {
        "population": 40,
        "populations": 2,
        "queries": 2,
        "sizes": [4, 8],
        "steps": [0, 1],
        "work": 32,
        "sweeps": [1, 5],
        "blurs": [0.5],
        "problems": 2,
    }
    settings = ProbeStage.model_validate(
        {
            "seed": 0,
            "flow": {"steps": 2, "step_size": 0.3, "blur": 0.5},
            "batch_size": 16,
            "probe": small,
            "compute": {"device": "cpu"},
        }
    )
    file = tmp_path / "probe.json"
    run("probe", {"dataset": "moons"}, settings, {}, {"found": file})
    rows = json.loads(file.read_text())["rows"]
    assert [r["what"] for r in rows] == ["minibatch"] * 8 + ["sweeps"] * 4
    assert {r["draws"] for r in rows[:8]} == {8}
    assert all(r["variance"] > 0 for r in rows[:8])
    assert all(r["mean"] > 0 for r in rows[8:])


def test_probes_need_a_flow_and_points():
    from tests.config.test_cells import refusal

    pooled = {"methods": {"nsgf": {}}}
    assert "probe.steps: 99" in refusal(**pooled, probe={"steps": [99]})
    assert Probe().draws(64) == 512
    assert Probe().draws(4096) == 8


def test_the_figure_shows_bias_and_deviation_and_sweeps(tmp_path):
    rows = [
        {"what": "minibatch", "population": k, "step": 0, "n": n, "variance": 4 / n}
        | {"bias_squared": (1 if n == 4 else -1) / n**2}
        for k in range(3)
        for n in (4, 16)
    ]
    rows += [
        {"what": "sweeps", "problem": k, "blur": 0.5, "sweeps": s, "mean": 1 / s + k / 100}
        for k in range(3)
        for s in (1, 10)
    ]
    (tmp_path / "p.json").write_text(json.dumps({"dataset": "moons", "rows": rows}))
    figure = Figure(kind="probe", study="s", datasets=("moons",))
    about = {"seed": 0, "name": "p", "title": "T", "reduced": (), "numerics": "portable"}
    settings = FigureStage(**about, judging=Judging(), figure=figure)
    with look():
        drawing = probe.draw(settings, figure, {"probes": [tmp_path / "p.json"]})
    left, right = drawing.axes
    bias, deviation = (line.get_ydata() for line in left.lines)
    assert bias[0] == pytest.approx(1 / 4)
    assert np.isnan(bias[1])  # its square came out below 0
    assert deviation.tolist() == pytest.approx([1, 0.5])
    assert right.lines[0].get_xydata().tolist() == [[1, 1.01], [10, pytest.approx(0.11)]]


def test_the_table_has_a_row_for_each_setting_with_intervals():
    rows = [
        {"what": "minibatch", "population": k, "step": 0, "blur": 0.5, "n": 4}
        | {"bias_squared": -0.01, "variance": 0.04 + k / 100}
        for k in range(3)
    ]
    rows += [
        {"what": "sweeps", "problem": k, "blur": 0.5, "sweeps": 10, "n": 256}
        | {"first": 0.1, "mean": 0.2 + k / 100}
        for k in range(3)
    ]
    found = probe_table.table([{"dataset": "moons", "rows": rows}], 0.95)
    assert found["what"].tolist() == ["minibatch", "sweeps"]
    assert found["repeats"].tolist() == [3, 3]
    assert found["variance"].tolist()[0] == pytest.approx(0.05)
    shown = probe_table.display(found)
    assert shown["bias"].tolist() == ["0 % [0, 0]", ""]
    assert shown["deviation"].tolist()[0].startswith("22 % [")
    assert shown["error over the flow"].tolist()[1].startswith("21 % [")

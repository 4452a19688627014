"""The benchmark of solvers, on cases of a second; nothing here asserts a time."""

import json
import math
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from nsgf.cli import main
from nsgf.errors import NotConverged
from nsgf.ops.bench import cases, measure, plot, sinkhorn, solvers
from nsgf.ops.bench.cases import CASES, Case, inputs, reference
from nsgf.ops.bench.run import limited
from nsgf.ops.bench.solvers import BASE, GOAL, SCALINGS, SOLVERS, TOLS, sweep

TINY = Case("8gaussians", n=16, blur=0.5, step_size=0.3, n_steps=3, paper_scaling=0.8)
MIXING = Case("moons", n=16, blur=1.0, step_size=0.3, n_steps=3, paper_scaling=0.8)
BATCH = Case("moons", n=12, blur=1.0, step_size=0.3, n_steps=2, paper_scaling=0.8, batch=2)
MISSING = CASES["mnist"]
OPTIONAL = ("ott", "mdot-tnt", "regot-ssns", "regot-lbfgs_dual", "regot-splr")
KEYS = {
    "case": str,
    "method": str,
    "effort": float,
    "threads": int,
    "ms_per_velocity": float,
    "max_rel_error": float,
    "speedup_vs_geomloss": float,
    "time_over_ours": float,
}


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """The command on tiny cases; returns (exit code, rows)."""
    cases = {"tiny": TINY, "tiny-batch": BATCH, "mnist": MISSING}
    monkeypatch.setattr(sinkhorn, "CASES", cases)
    monkeypatch.setattr(sinkhorn, "CURVES", ("tiny",))
    monkeypatch.setattr(measure, "ROUND_S", 1e-9)
    for name, efforts in (("geomloss", (0.5, 0.9)), ("pot", (10, 1000))):
        monkeypatch.setitem(SOLVERS, name, replace(SOLVERS[name], efforts=efforts))
    file = tmp_path / "bench.json"

    def run(*words: str):
        code = main(["bench", "sinkhorn", "--json", str(file), "--data", str(tmp_path), *words])
        return code, json.loads(file.read_text()) if file.exists() else None

    return run


def test_the_rows_have_the_promised_keys_and_compare_with_geomloss(bench, capsys):
    code, rows = bench("--cases", "tiny", "tiny-batch")
    assert code == 0
    assert all({key: type(row[key]) for key in row} == KEYS for row in rows)
    methods = ["ours", BASE, "geomloss", "pot", "pot-batch"]
    for case in ("tiny", "tiny-batch"):
        mine = {row["method"]: row for row in rows if row["case"] == case}
        assert [m for m in mine if m not in OPTIONAL] == methods
        assert mine[BASE]["speedup_vs_geomloss"] == mine["ours"]["time_over_ours"] == 1
        rough = [m for m, row in mine.items() if row["max_rel_error"] > GOAL and m not in OPTIONAL]
        assert rough == [BASE, "geomloss"]  # at a scaling of 0.9, its dearest here
        assert (mine["geomloss"]["effort"], mine["pot"]["effort"]) == (0.9, 1000)
        assert mine["ours"]["max_rel_error"] < 1e-3 < mine[BASE]["max_rel_error"]
    shown = capsys.readouterr().out
    assert "1 thread of" in shown
    rough = {x.split("  ")[0] for x in shown.splitlines() if "!" in x and "e-0" in x}
    assert rough - set(OPTIONAL) == {"geomloss"}
    assert "FlashSinkhorn: measured on CUDA only" in shown


@pytest.mark.parametrize("case", [MIXING, BATCH], ids=["single", "batch"])
def test_the_reference_is_what_pot_converges_to(case):
    """Where Sinkhorn's iteration does converge: clusters apart would take it a million sweeps."""
    x0, y = inputs(case, None)
    exact = reference(case, x0, y)
    assert exact.residual <= cases.RESIDUAL
    assert exact.x.dtype == torch.float64
    assert_close(exact.x[1], exact.x[0] + case.step_size * exact.v[0])
    for x, v in zip(exact.x, exact.v, strict=True):
        assert_close(v, solvers.pot(x, exact.y, case.blur, 20_000), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("solver", "potential"), [("solve", "g"), ("solve_symmetric", "f")])
@pytest.mark.parametrize("amount", [1e-7, math.nan])
def test_a_rough_potential_is_refused(monkeypatch, solver, potential, amount):
    real = getattr(cases, solver)

    def rough(*words):
        found = real(*words)
        values = getattr(found, potential)
        values.add_(amount * torch.randn(values.shape, dtype=torch.float64))
        return found

    monkeypatch.setattr(cases, solver, rough)
    with pytest.raises(NotConverged, match="misses its fixed point"):
        reference(TINY, *inputs(TINY, None))


def test_what_is_too_slow_is_measured_on_fewer_steps_and_says_so(bench, capsys, monkeypatch):
    monkeypatch.setattr(measure, "PASS_S", 0.0)
    monkeypatch.setattr(measure, "SLOW_S", 0.0)
    assert bench("--cases", "tiny")[0] == 0
    shown = capsys.readouterr().out
    assert "* tiny, ours: time and error from one pass over 1 of the 3 steps, cut off" in shown


def test_an_unknown_case_is_one_message(bench, capsys):
    code, rows = bench("--cases", "tinny")
    assert (code, rows) == (1, None)
    assert "did you mean 'tiny'" in capsys.readouterr().err


def test_a_case_without_its_images_is_left_out_and_says_how_to_get_them(bench, capsys):
    code, rows = bench("--cases", "mnist", "tiny")
    assert code == 0
    assert {row["case"] for row in rows} == {"tiny"}
    assert "nsgf make data/processed/mnist/train_images.npy" in capsys.readouterr().out
    assert main(["bench", "sinkhorn", "--cases", "mnist", "--data", "nowhere"]) == 1
    assert "no case could run" in capsys.readouterr().err


def test_the_plot_has_a_curve_for_each_solver_and_marks_the_tables_setting(tmp_path, monkeypatch):
    panels, real = [], plot._panel
    monkeypatch.setattr(plot, "_panel", lambda *words: panels.append(words[0]) or real(*words))
    monkeypatch.setattr(measure, "ROUND_S", 1e-9)
    exact, solvers = reference(TINY, *inputs(TINY, None)), ("ours", "geomloss")
    several = [measure.Measurement(TINY, m) for name in solvers for m in sweep(name)]
    with limited(1):
        curves = [measure.measure(TINY, several, exact, "tiny")]
    plot.draw(tmp_path / "a.png", curves, "1 thread")
    lines = panels[0].get_lines()
    assert [len(line.get_xdata()) for line in lines] == [len(TOLS), 1, len(SCALINGS), 1]
    large = [line.get_ydata()[0] for line in lines[1::2]]
    assert large[0] <= GOAL < large[1]  # GeomLoss's dearest, which is not exact enough
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_the_command_draws(bench, tmp_path):
    assert bench("--cases", "tiny", "--plot", str(tmp_path / "a.pdf"))[0] == 0
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "a.pdf.prov.json").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--plot", "a.svg"], "end its name in .png or .pdf"),
        (["--plot", "a.png", "--cases", "tiny-batch"], "there is nothing to plot"),
        (["--threads", "0"], "cannot measure with 0 threads"),
    ],
)
def test_what_cannot_be_done_is_one_message(bench, capsys, words, says):
    assert bench(*words)[0] == 1
    assert says in capsys.readouterr().err


def test_the_number_of_threads_outlives_our_solvers_first_run():
    """numba resets OpenMP's number of threads, and with it torch's, when it is first used."""
    program = (
        "from nsgf.ops.bench.run import limited\n"
        "with limited(1):\n"
        "    import torch; from nsgf.ot import velocity\n"
        "    x = torch.randn(8, 2); velocity(x, x + 1, 0.5); print(torch.get_num_threads())"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert shown.stdout.strip() == "1"


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_peer_agrees_where_it_is_installed(name):
    """At its dearest effort: the same cost, eps and self term. MDOT-TNT smooths marginals."""
    solver = SOLVERS[name]
    if reason := solver.missing(torch.device("cpu")):
        pytest.skip(reason)
    for case in (TINY, BATCH):
        x0, y = inputs(case, None)
        found = solver.solve(x0, y, case.blur, solver.efforts[-1])
        assert_close(found.double(), reference(case, x0, y).v[0], rtol=0, atol=5e-3)


def test_a_peer_stands_at_its_cheapest_effort_within_the_goal():
    exact = reference(TINY, *inputs(TINY, None))
    with limited(1):
        method = measure.at_goal(TINY, "pot", exact).method
        cheaper = [m for m in sweep("pot") if m.effort < method.effort]
        errors = {m.effort: measure.Measurement(TINY, m) for m in (*cheaper, method)}
        for one in errors.values():
            measure._pass_along(one, exact)
    assert cheaper
    assert all(errors[m.effort].max_rel_error > GOAL for m in cheaper)
    assert errors[method.effort].is_within_goal


def test_peers_can_be_left_out(bench, capsys):
    code, rows = bench("--cases", "tiny", "--solvers", "ours")
    assert code == 0
    assert [row["method"] for row in rows] == ["ours", BASE, "geomloss"]
    assert bench("--cases", "tiny", "--solvers", "pott")[0] == 1
    assert "unknown solver of the benchmark 'pott'" in capsys.readouterr().err


def test_a_method_that_takes_too_long_is_given_up(bench, monkeypatch, capsys):
    monkeypatch.setattr(measure, "VELOCITY_S", 0.05)
    slow = replace(SOLVERS["pot"], solve=lambda *_: time.sleep(60))
    monkeypatch.setitem(SOLVERS, "pot", slow)
    code, rows = bench("--cases", "tiny", "--solvers", "pot")
    assert code == 0
    (row,) = (row for row in rows if row["method"] == "pot")
    assert row["max_rel_error"] is None
    assert row["effort"] == min(slow.efforts)
    assert row["ms_per_velocity"] >= 50
    shown = capsys.readouterr().out
    assert "given up" in shown
    assert "tiny, pot: given up, a velocity takes over 0 s" in shown

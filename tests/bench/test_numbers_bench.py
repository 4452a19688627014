"""`nsgf bench random`: every kind of draw beside torch's; nothing here asserts a time."""

import json

from nsgf.cli import main
from nsgf.ops.bench import numbers


def test_every_kind_of_draw_is_measured_in_turn(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(numbers, "ROUND_S", 1e-4)
    monkeypatch.setattr(numbers, "COUNTS", (7, 64))
    file = tmp_path / "a.json"
    assert main(["bench", "random", "--json", str(file)]) == 0
    rows = json.loads(file.read_text())
    kinds = ["normal", "uniform", "integers below 6e+04", "integers below 1e+12"]
    assert [(r["count"], r["draw"]) for r in rows] == [(n, kind) for n in (7, 64) for kind in kinds]
    assert all(r["speedup"] == r["torch_ns"] / r["ours_ns"] > 0 for r in rows)
    shown = capsys.readouterr().out
    assert "1 thread" in shown
    assert all(kind in shown for kind in kinds)


def test_both_draw_as_many_numbers_of_the_same_law():
    import torch

    for ours, theirs in numbers._draws(5000, torch.device("cpu")).values():
        a, b = ours(), theirs()
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        spread = float(b.double().std())
        assert abs(float(a.double().mean() - b.double().mean())) < 0.1 * spread
        assert abs(float(a.double().std()) - spread) < 0.1 * spread


def test_options_of_the_other_benchmark_are_refused(capsys):
    assert main(["bench", "random", "--solvers", "pot"]) == 1
    assert "bench random has no option --solvers" in capsys.readouterr().err

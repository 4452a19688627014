"""`nsgf bench sliced`: three ways to one number and one gradient; nothing here asserts a time."""

import json

from nsgf.cli import main
from nsgf.ops.bench import sliced


def test_every_case_has_times_and_all_agree(tmp_path, monkeypatch, capsys):
    small = {name: (n // 8, m // 8, d, 8) for name, (n, m, d, _) in sliced.CASES.items()}
    monkeypatch.setattr(sliced, "CASES", small)
    monkeypatch.setattr(sliced, "ROUNDS", 1)
    path = tmp_path / "sliced.json"
    assert main(["bench", "sliced", "--json", str(path)]) == 0
    rows = json.loads(path.read_text())
    assert {row["case"] for row in rows} == set(sliced.CASES)
    for row in rows:
        assert min(row["ours_ms"], row["pot_ms"], row["torch_ms"]) > 0
        assert row["value_off"] < 1e-4
        assert row["gradient_off"] < 1e-3
    assert "POT / ours" in capsys.readouterr().out
    assert (tmp_path / "sliced.json.prov.json").is_file()

"""`nsgf bench schemes`: each scheme is on its way to the target; nothing here asserts a time."""

import json

import pytest
import yaml

from nsgf.cli import main
from nsgf.ops.bench import schemes

SHORT = {
    "sw_jko": {"iterations": 60, "options": {"tau": 0.3, "inner": 15, "directions": 16}},
    "jko_icnn": {"iterations": 45, "options": {"tau": 0.3, "inner": 15}},
    "langevin": {"iterations": 40, "options": {"step": 0.05, "keep_every": 40}},
}


@pytest.fixture
def short(tmp_path, monkeypatch):
    """The preset with fewer updates."""
    whole = yaml.safe_load(schemes.PRESET.read_text())
    for study, _ in schemes.ROWS:
        for network, training in whole["studies"][study]["networks"].items():
            training |= SHORT[network]
        for row in whole["studies"][study]["methods"].values():
            small = [key for key in row if key.endswith(("count", "batch_size"))]
            row |= dict.fromkeys(small, 300)
    file = tmp_path / "cpu.yaml"
    file.write_text(yaml.safe_dump(whole, sort_keys=False))
    monkeypatch.setattr(schemes, "PRESET", file)
    monkeypatch.setattr(schemes, "DIMENSIONS", (2,))
    monkeypatch.setattr(schemes, "POINTS", 300)
    monkeypatch.setattr(schemes, "LOOKS", 4)


def test_every_scheme_is_seen_to_approach_its_target(short, tmp_path, capsys):
    path, plot = tmp_path / "schemes.json", tmp_path / "schemes.png"
    assert main(["bench", "schemes", "--json", str(path), "--plot", str(plot)]) == 0
    rows = {row["scheme"]: row for row in json.loads(path.read_text())}
    assert rows.keys() == {row for _, row in schemes.ROWS}
    for row in rows.values():
        assert len(row["step_s"]) == row["steps"]
        assert row["at"][-1] == row["steps"]
        assert row["seconds"] == sorted(row["seconds"])
        assert row["seconds"][-1] == pytest.approx(sum(row["step_s"]))
        assert row["log10_symkl"][-1] < row["log10_symkl"][0]
    assert "to 10^-1.5, s" in capsys.readouterr().out
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "schemes.json.prov.json").is_file()


def test_the_goal_is_met_when_it_is_first_seen():
    about = {"d": 2, "scheme": "s", "label": "S", "steps": 3, "at": [1, 2, 3], "step_s": [1, 1, 1]}
    one = schemes.Trace(seconds=[1, 2, 3], log10_symkl=[-1, -1.6, -1.4], **about)
    assert one.to_goal == 2
    assert schemes.Trace(seconds=[1, 2, 3], log10_symkl=[0, -1, -1.4], **about).to_goal is None

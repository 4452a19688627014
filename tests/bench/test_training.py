"""`nsgf bench train`: the same work on both sides; nothing here asserts a time."""

import json

import torch
from torch.testing import assert_close

from nsgf.cli import main
from nsgf.ops.bench import training
from nsgf.rng import stream


def test_all_are_measured_in_turn_with_provenance(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "ROUND_S", 1e-3)
    monkeypatch.setattr(training, "ROUNDS", 2)
    file = tmp_path / "a.json"
    assert main(["bench", "train", "--json", str(file)]) == 0
    rows = {row["work"]: row for row in json.loads(file.read_text())}
    assert all(row["ms"] > 0 for row in rows.values())
    ours, theirs = rows[training.OURS]["ms"], rows[training.THEIRS]
    assert theirs["ratio"] == theirs["ms"] / ours
    about = json.loads(file.with_name("a.json.prov.json").read_text())
    assert about["config"]["n"] == training.N
    shown = capsys.readouterr().out
    assert all(name in shown for name in rows)


def test_torchcfms_network_is_ours():
    from torchcfm.models.models import MLP

    theirs = MLP(dim=2, time_varying=True, w=training.WIDTH)
    ours = training.ours([(torch.zeros(1, 2),) * 2], lambda x0, x1: x1).__closure__
    learner = next(c.cell_contents for c in ours if hasattr(c.cell_contents, "modules"))
    net = learner.modules["net"]
    weights = zip(net.parameters(), theirs.parameters(), strict=True)
    with torch.no_grad():
        for mine, other in weights:
            other.copy_(mine)
    x, t = stream(0).normal(7, 2), stream(1).uniform(7)
    assert_close(theirs(torch.cat([x, t[:, None]], 1)), net(x, t))

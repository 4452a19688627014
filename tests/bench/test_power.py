"""The benchmark of estimators: known changes are what they say, and trials count them."""

import json
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from nsgf.data import synthetic
from nsgf.metrics.debiased import debiased_sliced
from nsgf.ops.bench import power
from nsgf.ops.bench.perturb import COMPONENTS, moved_mass, shifted
from nsgf.rng import stream

N = 40_000


@pytest.mark.parametrize("law", COMPONENTS)
def test_a_component_goes_to_another_place_of_the_law(law):
    """Where all points of a component are drawn and moved, they lie as the law does there."""
    part, y = COMPONENTS[law], synthetic.sample_iid(law, N, stream(1, law))
    inside = part.holds(y)
    assert_close(float(inside.float().mean()), part.mass, atol=0.01, rtol=0)
    there = part.moved(y[inside])
    assert float(part.holds(there).float().mean()) < 1e-3
    gap = torch.cdist(there[:2000], y[~inside]).min(1).values  # the law has points all about them
    assert float(gap.median()) < 0.1


@pytest.mark.parametrize("law", COMPONENTS)
def test_as_much_mass_is_moved_as_is_asked_for(law):
    y = synthetic.sample_iid(law, N, stream(2, law))
    moved = (moved_mass(law, y, 0.01, stream(3)) != y).any(1)
    assert_close(float(moved.float().mean()), 0.01, atol=0.002, rtol=0)


def test_a_shift_is_as_long_as_is_asked_for():
    y = stream(0).normal(5, 2)
    assert_close((shifted(y, 0.3) - y).norm(dim=1), torch.full((5,), 0.3))


def test_the_energy_distance_of_a_law_to_itself_is_nothing_on_average():
    found = torch.tensor(
        [power.energy_distance(*(stream(k, s).normal(50, 2) for s in "xy")) for k in range(400)]
    )
    assert abs(float(found.mean())) < 4 * float(found.std()) / 20
    far = power.energy_distance(stream(1).normal(500, 2), stream(2).normal(500, 2) + 3)
    assert far > 1


def test_trials_are_counted_kept_and_not_made_twice(tmp_path, monkeypatch, capsys):
    small = power.Estimator(200, (6, 2), lambda x, y: debiased_sliced(x, y, 8))
    monkeypatch.setattr(power, "ESTIMATORS", {"sliced": small})
    monkeypatch.setattr(power, "ASKED", (("shift", 3.0),))
    monkeypatch.setattr(power, "COMPONENTS", {"moons": COMPONENTS["moons"]})
    out = tmp_path / "power.json"
    power.compare(1, out)
    none, shift = json.loads(out.read_text())
    assert (none["change"], none["trials"], shift["trials"]) == ("none", 6, 2)
    assert shift["told_apart"] == 2
    assert none["told_apart"] <= 2
    assert_close(shift["mean"], 4.5, atol=1.0, rtol=0)  # 3^2 / 2
    assert (tmp_path / "power.json.prov.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr(power, "_row", lambda *_: pytest.fail("made twice"))
        power.compare(1, out)
    assert "moons" in capsys.readouterr().out
    monkeypatch.setitem(power.ESTIMATORS, "sliced", replace(small, n=100))
    power.compare(1, out)
    assert {row["n"] for row in json.loads(out.read_text())} == {100}  # other sizes are others

"""Pairs of cells, seed by seed: noise that both share falls out, and many comparisons cost."""

import json
from pathlib import Path

import pytest

from nsgf.report.paired_table import display, main, said, table
from tests.config.test_cells import refusal


def metrics(folder: Path, dataset: str, cell: str, values: dict[int, float]) -> Path:
    """The metrics of a cell as they lie on disk."""
    file = Path(f"results/toy/metrics/{dataset}/{cell}.json")
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    sets = [
        {"seed": s, "sample": 0, "metrics": [{"metric": "sw2_debiased", "value": v}]}
        for s, v in values.items()
    ]
    (folder / file).write_text(json.dumps({"dataset": dataset, "method": cell, "sets": sets}))
    return file


@pytest.fixture
def found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noise = {0: 5.0, 1: 1.0, 2: 3.0, 3: 8.0}
    near = {s: v - 0.5 + 0.01 * s for s, v in noise.items()}
    firsts = [metrics(tmp_path, d, "nsgf,flow.steps=3", near) for d in ("moons", "scurve")]
    others = {"moons": noise, "scurve": {0: 9.0, 1: 0.5, 2: 2.0}}
    seconds = [metrics(tmp_path, d, "ot_cfm,nfe=10", v) for d, v in others.items()]
    return table(firsts, seconds, 0.95)


def test_noise_that_both_share_falls_out(found):
    assert found["cell"].unique().tolist() == ["nsgf,flow.steps=3"]
    assert found["against"].unique().tolist() == ["ot_cfm,nfe=10"]
    moons, scurve = found.to_dict("records")
    assert moons["difference"] == pytest.approx(-0.485)
    assert moons["vote"] == "lower"
    assert (moons["n_seeds"], scurve["n_seeds"]) == (4, 3)  # seeds that both have
    assert scurve["vote"] == "inconclusive"
    assert scurve["low"] < scurve["difference"] < scurve["high"]


def test_people_read_it_in_words(found):
    shown = display(found)
    assert shown["in words"].tolist() == ["nearer", "not told apart"]
    assert shown["data"].tolist() == ["moons", "s-curve"]
    assert "metric" not in main(shown)
    pair = "nsgf,flow.steps=3 against ot_cfm,nfe=10"
    assert said(found) == [f"{pair}: nearer on moons; not told apart on s-curve."]


def test_a_pair_names_cells_that_are_there():
    said = refusal(methods={"fm": {"nfe": [3]}}, compare=[["fm,nfe=3", "fm,nfe=4"]])
    assert "compare: no cell 'fm,nfe=4' (nearest known key: 'fm,nfe=3')" in said

"""The table and the figure on training targets, on errors and W2 made for them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from nsgf.artifact import sha256_file, sidecar
from nsgf.codehash import stage_code
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.errors import NsgfError
from nsgf.layout import Cell, Layout, sample_units, target_inputs, target_pair
from nsgf.metrics.interval import Interval, student_t
from nsgf.report import source, target_tables, targets
from nsgf.stages import figure, publish, targets_table

ROOT = Path(__file__).parents[2]
STEPS, PROBLEMS, SEEDS, SAMPLES = 3, 4, 3, 2
LEVELS = {("geomloss", 0.8): 0.1, ("geomloss", 0.95): 0.03, ("newton", None): 1e-6}
NET = {"net": {"kind": "mlp"}, "iterations": 1, "batch_size": 2, "lr": 0.1}
FLOW = {"steps": STEPS, "step_size": 0.3, "blur": 0.5}
STUDY = {
    "datasets": ["moons", "8gaussians"],
    "methods": ["nsgf", "nsgf-geomloss"],
    "train_seeds": SEEDS,
    "sample_seeds": SAMPLES,
    "nfe": [STEPS],
    "trajectories": {
        "t": {"flow": FLOW, "pool": {"batches": 2}},
        "g": {"flow": FLOW | {"backend": "geomloss", "scaling": 0.8}, "pool": {"batches": 2}},
    },
    "networks": {"velocity": NET},
    "sampling": {},
    "metrics": {},
    "targets": {"flow": "t", "problems": PROBLEMS, "scalings": [0.8, 0.95]},
}
PRESET = {
    "name": "toy",
    "title": "Reduced run (toy)",
    "reduced": ["all of it"],
    "seed": 3,
    "studies": {"table1": STUDY},
    "figures": {"targets": {"kind": "targets", "datasets": STUDY["datasets"]}},
}


def errors_body(dataset: str) -> dict:
    """Problem p errs at step k by its setting's level times 1 + p / 10, and (1 + k)."""
    settings = []
    for (backend, scaling), level in LEVELS.items():
        problems = [
            {
                "relative": [level * (1 + p / 10) * (1 + k) for k in range(STEPS)],
                "bias": [level / 2] * STEPS,
                "cosine": [1.0] * STEPS,
                "gain": [1 - level] * STEPS,
            }
            for p in range(PROBLEMS)
        ]
        settings.append({"backend": backend, "scaling": scaling, "problems": problems})
    about = {"dataset": dataset, "n": 8, "flow": FLOW, "protocol": "made up"}
    return about | {"settings": settings}


def metric_body(dataset: str, seed: int, sample: int, value: float) -> dict:
    """Test points and noise of (seed, sample) move W2 by far more than targets do."""
    shared = seed + 0.3 * sample
    rows = [
        {"metric": m, "value": v, "floor": 0.2, "protocol": "exact", "n": 8}
        for m, v in (("w2", shared + value), ("w2_squared", 99.0))
    ]
    unit = {"dataset": dataset, "seed": seed, "sample": sample}
    return {"unit": unit, "cost": {"nfe": STEPS}, "facts": {}, "metrics": rows}


def change_of(seed: int, sample: int) -> float:
    return -0.02 - 0.001 * seed - 0.0005 * sample


def write(path: str, body: object) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(body))


def write_preset(whole: dict) -> Path:
    Path("preset.yaml").write_text(yaml.safe_dump(whole))
    return Path("preset.yaml")


@pytest.fixture
def preset(tmp_path, monkeypatch) -> Path:
    """A working directory with a preset and what its table on targets is made from."""
    monkeypatch.chdir(tmp_path)
    path = write_preset(PRESET)
    layout, study = Layout("results/toy"), load(path, Preset).studies["table1"]
    for dataset in study.datasets:
        write(layout.targets(dataset), errors_body(dataset))
        for unit in sample_units(study, dataset):
            # Exact targets help on moons; on 8gaussians the sign is the training seed's.
            change = change_of(unit["seed"], unit["sample"])
            change *= 1 if dataset == "moons" else (-1) ** unit["seed"]
            for cell, value in zip(target_pair(study), (1 + change, 1.0), strict=True):
                file = layout.metrics(dataset, cell).format(**unit)
                write(file, metric_body(dataset, unit["seed"], unit["sample"], value))
    return path


def made(preset: Path) -> pd.DataFrame:
    targets_table.run(preset)
    return pd.read_csv("results/toy/tables/targets.csv")


def test_there_is_a_row_for_each_data_set_and_setting_with_intervals_over_problems(preset):
    found = made(preset)
    assert list(found.columns) == target_tables.COLUMNS
    assert len(found) == 2 * len(LEVELS)
    row = found[(found["dataset"] == "moons") & (found["scaling"] == 0.8)].iloc[0]
    levels = [0.1 * (1 + p / 10) for p in range(PROBLEMS)]
    for name, factor in (("first", 1), ("mean", 2), ("largest", 3)):
        expected = student_t([factor * level for level in levels])
        assert row[name] == pytest.approx(expected.mean, rel=1e-5)
        assert row[f"{name}_low"] == pytest.approx(expected.low, rel=1e-5)
        assert row[f"{name}_high"] == pytest.approx(expected.high, rel=1e-5)
    assert (row["bias"], row["gain"]) == pytest.approx((0.05, 0.9))
    assert (row["n"], row["n_problems"], row["steps"]) == (8, PROBLEMS, STEPS)


def test_the_change_of_w2_is_taken_seed_by_seed(preset):
    found = made(preset).set_index(["dataset", "solver", "scaling"])
    row = found.loc["moons", "geomloss", 0.8]
    trainings = [np.mean([change_of(s, k) for k in range(SAMPLES)]) for s in range(SEEDS)]
    expected = student_t(trainings)
    assert row["change"] == pytest.approx(expected.mean, rel=1e-4)
    assert row["change_low"] == pytest.approx(expected.low, rel=1e-4)
    assert row["n_seeds"] == SEEDS
    assert row["verdict"] == "exact targets lower W2"
    # The two W2 themselves overlap widely: without pairs nothing could be said.
    ours = made(preset).query("dataset == 'moons' and solver == 'newton'").iloc[0]
    assert ours["w2_low"] < row["w2_low"] < row["w2"] < ours["w2_high"]
    unsure = found.loc["8gaussians", "geomloss", 0.8]
    assert unsure["verdict"] == "exact targets do not measurably change W2"


def test_settings_that_were_not_trained_have_no_w2(preset):
    found = made(preset)
    untrained = found[found["scaling"] == 0.95]
    assert untrained[["w2", "change", "n_seeds", "verdict"]].isna().all(axis=None)
    exact = found[found["solver"] == "newton"]
    assert exact["w2"].notna().all()
    assert exact["change"].isna().all()


@pytest.mark.parametrize(
    ("low", "high", "n", "says"),
    [
        (-0.3, -0.1, 3, "exact targets lower W2"),
        (0.1, 0.3, 3, "exact targets raise W2"),
        (-0.1, 0.1, 3, "exact targets do not measurably change W2"),
        (-0.3, -0.1, 2, "fewer than 3 seeds: no verdict"),
    ],
)
def test_the_verdict_is_a_plain_sentence(low, high, n, says):
    assert target_tables.verdict(Interval((low + high) / 2, low, high, n)) == says


def test_pools_of_unequal_budget_are_not_compared(preset):
    study = load(preset, Preset).studies["table1"]
    assert target_pair(study) == (Cell("nsgf", STEPS), Cell("nsgf-geomloss", STEPS))
    more = STUDY["trajectories"]["g"] | {"pool": {"batches": 3}}
    unequal = STUDY | {"trajectories": STUDY["trajectories"] | {"g": more}}
    path = write_preset(PRESET | {"studies": {"table1": unequal}})
    assert target_pair(load(path, Preset).studies["table1"]) is None
    assert made(path)["change"].isna().all()
    assert "W2" not in Path("results/toy/tables/targets.md").read_text().split("| data")[0]


def test_the_table_is_three_files_with_provenance_and_no_times(preset):
    made(preset)
    for ending in ("csv", "md", "html"):
        file = Path(f"results/toy/tables/targets.{ending}")
        facts = json.loads(sidecar(file).read_text())
        assert facts["sha256"] == sha256_file(file)
        assert facts["code"] == stage_code("targets-table")
        expected = target_inputs(Layout("results/toy"), load(preset, Preset))
        assert sorted(facts["inputs"]) == sorted(expected)
    page = Path("results/toy/tables/targets.md").read_text()
    assert "| moons | GeomLoss, 0.80 | 12 % [9.4, 14] |" in page
    assert "| exact targets lower W2 |" in page
    assert "4 minibatch problems" in page


def test_the_readme_shows_what_is_published_of_it(preset):
    shutil.copytree(ROOT / "config", "config")
    made(preset)
    write("results/published/toy/MANIFEST.json", {"title": "Toy", "commit": "0" * 40})
    shutil.copytree("results/toy/tables", "results/published/toy/tables")
    shown = publish.readme_table()
    assert "| velocity error, mean over the flow | W2 of NSGF |" in shown
    assert shown.count("exact targets lower W2") == 1


def test_a_preset_without_targets_says_so(preset):
    plain = {k: v for k, v in STUDY.items() if k != "targets"}
    path = write_preset(PRESET | {"studies": {"table1": plain}, "figures": {}})
    with pytest.raises(NsgfError, match="no study of this preset has targets"):
        targets_table.run(path)


def drawn(preset: Path):
    layout, whole = Layout("results/toy"), load(preset, Preset)
    files = [Path(layout.targets(d)) for d in STUDY["datasets"]]
    panels = source.read_targets(files, Path(layout.table("targets")))
    return targets.draw(whole, whole.figures["targets"], panels)


def panels_of(drawing) -> list:
    return [axes for axes in drawing.axes if axes.axison]


def test_the_figure_has_a_panel_for_each_data_set_and_one_for_w2(preset):
    made(preset)
    *errors, change = panels_of(drawn(preset))
    assert len(errors) == 2
    for axes in errors:
        assert axes.get_yscale() == "log"
        assert len(axes.lines) == len(axes.collections) == len(LEVELS)
    factors = np.exp(np.mean([np.log(1 + p / 10) for p in range(PROBLEMS)]))
    coarse = errors[0].lines[0].get_xydata()
    np.testing.assert_allclose(coarse[:, 0], [1, 2, 3])
    np.testing.assert_allclose(coarse[:, 1], 0.1 * factors * np.arange(1, 4))
    assert [t.get_text() for t in change.texts][:2] == ["moons", "8gaussians"]


def test_the_figure_does_without_w2_where_nothing_was_trained_on_both(preset):
    made(preset)
    table = Path("results/toy/tables/targets.csv")
    found = pd.read_csv(table)
    found["change"] = np.nan
    found.to_csv(table, index=False)
    assert len(panels_of(drawn(preset))) == 2


def test_an_error_of_nought_can_be_drawn():
    middle, low, high = targets.band(np.array([[0.0], [0.1]]), 0.95)
    assert 0 < low < middle < high


def test_the_figure_is_two_files_with_provenance_and_equal_bytes_when_drawn_again(preset):
    made(preset)
    files = [Path(f"results/toy/figures/targets.{ending}") for ending in ("pdf", "png")]
    figure.run(preset, "targets")
    first = [file.read_bytes() for file in files]
    figure.run(preset, "targets")
    assert [file.read_bytes() for file in files] == first
    facts = json.loads(sidecar(files[0]).read_text())
    assert facts["code"] == stage_code("figure", figure="targets")
    assert set(facts["inputs"]) == {
        "results/toy/metrics/moons/targets.json",
        "results/toy/metrics/8gaussians/targets.json",
        "results/toy/tables/targets.csv",
    }


def test_a_missing_input_is_named_with_the_command_that_makes_it(preset):
    with pytest.raises(NsgfError) as caught:
        figure.run(preset, "targets")
    assert "results/toy/tables/targets.csv" in caught.value.what
    assert caught.value.mend == "make it: make reproduce PRESET=toy"

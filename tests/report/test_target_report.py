"""The table and the figure on training targets, on errors and W2 made for them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from nsgf.artifact import sha256_file, sidecar
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import Outline, tasks
from nsgf.engine.make import make
from nsgf.engine.task import Task
from nsgf.errors import NsgfError
from nsgf.metrics.interval import Interval, student_t
from nsgf.ops import publish
from nsgf.report import target_tables, targets
from nsgf.stages.table import pair
from tests.tasks import given

STEPS, PROBLEMS, SEEDS, SAMPLES = 3, 4, 3, 2
LEVELS = {("geomloss", 0.8): 0.1, ("geomloss", 0.95): 0.03, ("newton", None): 1e-6}
NET = {"net": {"kind": "mlp"}, "iterations": 1, "batch_size": 2, "lr": 0.1}
FLOW = {"steps": STEPS, "step_size": 0.3, "blur": 0.5}
COARSE = {"method": "nsgf", "flow.backend": "geomloss", "flow.scaling": 0.8}
STUDY = {
    "kind": "planar",
    "datasets": ["moons", "8gaussians"],
    "methods": {"nsgf": {}, "nsgf-geomloss": COARSE},
    "train_seeds": SEEDS,
    "sample_seeds": SAMPLES,
    "flow": FLOW,
    "pool": {"batches": 2},
    "networks": {"velocity": NET},
    "metrics": {},
    "targets": {"problems": PROBLEMS, "scalings": [0.8, 0.95]},
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


def metric_body(dataset: str, row: str, values: dict[tuple[int, int], float]) -> dict:
    """Test points and noise of (seed, sample) move W2 by far more than targets do."""
    solver = {"backend": "newton", "scaling": 0.95}
    if row != "nsgf":
        solver = {key: COARSE[f"flow.{key}"] for key in solver}
    sets = []
    for (seed, sample), value in values.items():
        shared = seed + 0.3 * sample
        rows = [
            {"metric": m, "value": v, "floor": 0.2, "protocol": "exact", "n": 8}
            for m, v in (("w2", shared + value), ("w2_squared", 99.0))
        ]
        about = {"seed": seed, "sample": sample, "cost": {"nfe": STEPS}, "facts": {}}
        sets.append(about | {"metrics": rows})
    about = {"dataset": dataset, "method": "nsgf", "parameters": {"flow": FLOW | solver}}
    return about | {"sets": sets}


def change_of(seed: int, sample: int) -> float:
    return -0.02 - 0.001 * seed - 0.0005 * sample


def write_preset(whole: dict) -> Path:
    Path("preset.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
    return Path("preset.yaml")


@pytest.fixture
def preset(tmp_path, monkeypatch) -> Path:
    """A working directory with a preset and what its table on targets is made from."""
    monkeypatch.chdir(tmp_path)
    path = write_preset(PRESET)
    each = [(seed, sample) for seed in range(SEEDS) for sample in range(SAMPLES)]
    for dataset in STUDY["datasets"]:
        given(f"results/toy/metrics/{dataset}/targets.json", json.dumps(errors_body(dataset)))
        # Exact targets help on moons; on 8gaussians the sign is the training seed's.
        signs = {k: 1 if dataset == "moons" else (-1) ** k[0] for k in each}
        exact = {k: 1 + sign * change_of(*k) for k, sign in signs.items()}
        for row, values in (("nsgf", exact), ("nsgf-geomloss", dict.fromkeys(each, 1.0))):
            file = f"results/toy/metrics/{dataset}/{row}.json"
            given(file, json.dumps(metric_body(dataset, row, values)))
    return path


def task_of(preset: Path, stage: str) -> Task:
    """What makes the table, or the figure, on targets."""
    about = {stage: "targets"}
    (task,) = (t for t in tasks(load(preset, Preset)) if (t.stage, t.unit) == (stage, about))
    return task


def made(preset: Path) -> pd.DataFrame:
    make([task_of(preset, "table")])
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


def compared(**changes) -> list[str]:
    """Rows that are compared in a study whose GeomLoss row has changes."""
    methods = {"nsgf": {}, "nsgf-geomloss": COARSE | changes}
    path = write_preset(PRESET | {"studies": {"table1": STUDY | {"methods": methods}}})
    branch = Outline(load(path, Preset)).branches[0]
    return [placed.cell.name for placed in pair(branch)]


def test_pools_of_unequal_budget_are_not_compared(preset):
    assert compared() == ["nsgf", "nsgf-geomloss"]
    assert compared(**{"flow.blur": 1.0}) == compared(**{"flow.steps": 4}) == []
    assert compared(**{"pool.batches": 3}) == []
    assert made(Path("preset.yaml"))["change"].isna().all()
    assert "W2" not in Path("results/toy/tables/targets.md").read_text().split("| data")[0]


def test_the_table_is_three_files_with_provenance_and_no_times(preset):
    made(preset)
    task = task_of(preset, "table")
    for ending in ("csv", "md", "html"):
        file = Path(f"results/toy/tables/targets.{ending}")
        facts = json.loads(sidecar(file).read_text())
        assert facts["sha256"] == sha256_file(file)
        assert facts["code"] == task.code
        assert sorted(facts["inputs"]) == sorted(task.reads)
    assert len(task.reads) == 2 + 2 * 2
    page = Path("results/toy/tables/targets.md").read_text()
    assert "| moons | GeomLoss, 0.80 | 12 % [9.4, 14] |" in page
    assert "| exact targets lower W2 |" in page
    assert "4 minibatch problems" in page


def test_the_readme_shows_what_is_published_of_it(preset):
    made(preset)
    folder = Path("results/published/toy")
    shutil.copytree("results/toy/tables", folder / "tables")
    (folder / "MANIFEST.json").write_text(json.dumps({"title": "Toy", "commit": "0" * 40}))
    shown = publish.readme_table()
    assert "| velocity error, mean over the flow | W2 of NSGF |" in shown
    assert shown.count("exact targets lower W2") == 1


def test_a_preset_without_targets_has_no_such_table(preset):
    plain = {k: v for k, v in STUDY.items() if k != "targets"}
    path = write_preset(PRESET | {"studies": {"table1": plain}, "figures": {}})
    stages = [task.stage for task in tasks(load(path, Preset))]
    assert stages.count("table") == 1
    assert "targets" not in stages


def test_errors_are_measured_once_for_a_data_set_in_two_studies(preset):
    again = STUDY | {"datasets": ["moons"]}
    path = write_preset(PRESET | {"studies": {"table1": STUDY, "table3": again}})
    assert len(task_of(path, "table").inputs["errors"]) == 2
    again = again | {"targets": {"problems": 9, "scalings": [0.8]}}
    path = write_preset(PRESET | {"studies": {"table1": STUDY, "table3": again}})
    task = task_of(path, "table")
    assert task.inputs["errors"][0] == "results/toy/metrics/moons/targets.json"
    errors = {t.artefacts[0] for t in tasks(load(path, Preset)) if t.stage == "targets"}
    assert len(errors - set(task.inputs["errors"])) == 1  # named apart


def drawn(preset: Path):
    task = task_of(preset, "figure")
    return targets.draw(task.settings, task.settings.figure, task.inputs)


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
    task = task_of(preset, "figure")
    files = [Path(path) for path in task.artefacts]
    assert files == [Path(f"results/toy/figures/targets.{end}") for end in ("pdf", "png")]
    make([task])
    first = [file.read_bytes() for file in files]
    make([task])
    assert [file.read_bytes() for file in files] == first
    facts = json.loads(sidecar(files[0]).read_text())
    assert facts["code"] == task.code
    assert set(facts["inputs"]) == {
        "results/toy/metrics/moons/targets.json",
        "results/toy/metrics/8gaussians/targets.json",
        "results/toy/tables/targets.csv",
    }


def test_a_missing_input_is_named_with_the_command_that_makes_it(preset):
    with pytest.raises(NsgfError) as caught:
        make([task_of(preset, "figure")])
    assert "results/toy/tables/targets.csv" in caught.value.what
    assert caught.value.mend == "make it first: nsgf make results/toy/tables/targets.csv"

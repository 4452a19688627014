"""docs/extend.md, carried out: its files, lines and settings are added to a copy and run."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import tiny_run
from tests.test_lint import COMMANDS
from tests.trials.house import House
from tests.workflow.checkout import ROOT

PAGE = (ROOT / "docs/extend.md").read_text()
PYTHON = re.compile(r"```python\n# (src/\S+\.py)(?:, in (\w+))?\n(.*?)```", re.DOTALL)
YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
FILES = [
    "src/nsgf/data/spiral.py",
    "src/nsgf/train/sorted.py",
    "src/nsgf/train/dual.py",
    "src/nsgf/nets/waves.py",
    "src/nsgf/studies/means/__init__.py",
    "src/nsgf/studies/means/measure.py",
    "src/nsgf/report/ends.py",
]
COPIED = (  # what the tests of configuration rest on
    "pyproject.toml",
    "tests/__init__.py",
    "tests/conftest.py",
    "tests/spread.py",
    "tests/tiny_run.py",
    "tests/warm.py",
    "tests/config",
    "tests/trials",
    "tests/workflow/__init__.py",
    "tests/workflow/checkout.py",
)
CODES = """
import json
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import tasks
print(json.dumps({t.artefacts[0]: t.code for t in tasks(load("config/mine.yaml", Preset))}))
"""


def merged(old: dict, new: dict) -> dict:
    """Settings with the page's changes; rows and data sets are replaced as a whole."""
    whole = dict(old)
    for key, value in new.items():
        deeper = isinstance(value, dict) and isinstance(old.get(key), dict) and key != "methods"
        whole[key] = merged(old[key], value) if deeper else value
    return whole


def settings() -> dict:
    """The tiny preset with all settings of the page, as tiny."""
    whole = tiny_run.small() | {"figures": {}}
    for text in YAML.findall(PAGE):
        whole = merged(whole, yaml.safe_load(text))
    for study in whole["studies"].values():
        study |= {"sampling": whole["studies"]["table1"]["sampling"], "train_seeds": 2}
        for training in study["networks"].values():
            training |= {"iterations": 4, "batch_size": 8}
    return whole


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> House:
    """A copy of the project to which the page's blocks are added."""
    found = House(tmp_path_factory.mktemp("extended"), settings())
    for path, name, text in PYTHON.findall(PAGE):
        target = found.folder / path
        if name:
            found.line(name, text.strip())
        else:
            found.add(path, text)
    for name in ("workflow", "Snakefile"):  # which lie in the project itself
        (found.folder / name).unlink()
    for name in ("workflow", "Snakefile", *COPIED):
        target = found.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, target)
    run(found, "git", "init", "-q")  # linters look for the top of a checkout
    return found


def run(house: House, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        words, cwd=house.folder, env=house.environment, capture_output=True, text=True
    )


def test_each_thing_is_one_file_and_one_line(house):
    assert house.added == FILES
    assert house.lines == 7  # two data sets, two methods, a network, a kind of study, a figure


def test_the_new_data_set_is_found_fit(house):
    result = house.nsgf("check-dataset", "spiral")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"```\n{result.stdout}```" in PAGE


def test_an_image_set_without_an_entry_is_told_where_it_belongs(house):
    result = house.nsgf("check-dataset", "mine")
    assert result.returncode == 1
    assert "entry    FAILED  unknown image data set 'mine'" in result.stdout


@pytest.mark.parametrize("words", [("check",), ("dag",), ("plan", "--cores", "2")])
def test_what_is_said_before_a_run_knows_the_additions(words, house):
    result = house.nsgf(words[0], "--preset", "mine", *words[1:])
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def finished(house) -> House:
    house.run()
    return house


def test_all_run_from_data_to_table(finished):
    rows = finished.rows("table1")
    assert {r["dataset"] for r in rows} == {"spiral"}
    w2 = [r for r in rows if r["metric"] == "w2"]
    cells = {(r["method"], float(r["nfe"]), r["flow.blur"], r["flow.step_size"]) for r in w2}
    swept = {("nsgf", 10, b, s) for b in ("0.5", "1") for s in ("0.2", "0.3")}
    rough = {("nsgf-rough", 2, b, "") for b in ("0.5", "1")}
    rest = {("fm", 5, "", ""), ("fm", 10, "", ""), ("sorted", 10, "", ""), ("dual", 1, "", "")}
    assert cells == swept | rough | rest
    assert len(w2) == len(cells)
    means = finished.rows("means")
    assert {(r["dataset"], r["metric"]) for r in means} == {
        ("spiral", "mean_error"),
        ("moons", "mean_error"),
    }


@pytest.mark.parametrize("name", ["blur", "ends"])
def test_the_figures_are_drawn(name, finished):
    assert (finished.results / f"figures/{name}.png").stat().st_size > 1000


def test_editing_the_new_file_runs_again_what_depends_on_it_alone(house):
    path = house.folder / "src/nsgf/data/spiral.py"
    kept, python = path.read_text(), (sys.executable, "-c", CODES)
    before = json.loads(run(house, *python).stdout)
    try:
        path.write_text(kept.replace("0.1 * numbers", "0.2 * numbers"))
        after = json.loads(run(house, *python).stdout)
    finally:
        path.write_text(kept)
    changed = {p for p, code in before.items() if after[p] != code}
    spiral = {p for p in before if "/spiral/" in p}
    assert spiral < changed
    # Figures draw the law's points; tables hold what was measured.
    assert all("/figures/" in p for p in changed - spiral)
    assert any("/moons/" in p for p in before)


def test_the_linters_and_the_tests_of_configuration_still_pass(house):
    wrong = []
    schema = Path("workflow/schemas/preset.schema.json")
    assert house.nsgf("schema", "--out", str(schema)).returncode == 0
    assert (house.folder / schema).read_text() != (ROOT / schema).read_text()
    tests = ["python", "-m", "pytest", "-q", "tests/config"]
    for name, *words in [*COMMANDS, tests]:
        result = run(house, str(Path(sys.executable).with_name(name)), *words)
        if result.returncode:
            wrong.append(f"{name} {words}\n{result.stdout[-3000:]}{result.stderr[-2000:]}")
    assert wrong == []

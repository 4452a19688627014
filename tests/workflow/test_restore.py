"""A study run in parts, each on a machine that has but what git holds of the others."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from nsgf.config.base import parse
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from tests.workflow.checkout import planar
from tests.workflow.clone import Clone

PART = ("--only", "table1/moons")
STUDY = ("--only", "table1")
METRIC = "metrics/moons/nsgf.json"


def preset() -> dict:
    """Two data sets, with what rests on both."""
    sets = ["moons", "8gaussians"]
    whole = planar("parts", ["nsgf", "fm"], datasets=sets, compare=[["nsgf", "fm,nfe=10"]])
    figure = {"kind": "paths", "study": "table1", "datasets": sets, "nfe": 10}
    return whole | {"figures": {"figure3": figure}}


def published(clone: Clone, only: tuple[str, str]) -> Path:
    """Run a part, publish and commit it; the folder that it is published in."""
    ran = clone.reproduce(*only)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    done = clone.nsgf("publish", "--preset", "parts", *only)
    assert done.returncode == 0, done.stderr
    clone.commit("Publish")
    return clone.folder / "results/published/parts-table1"


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Clone:
    """A part that has run, and is published."""
    clone = Clone(tmp_path_factory.mktemp("first") / "clone", preset())
    published(clone, PART)
    return clone


@pytest.fixture
def second(first, tmp_path) -> Clone:
    """Another machine: what git holds, restored."""
    clone = Clone.of(first, tmp_path / "second")
    done = clone.nsgf("restore", "--preset", "parts", *STUDY)
    assert done.returncode == 0, done.stderr
    assert "files restored, 0 were here" in done.stdout
    return clone


def test_a_part_is_published_as_one_and_says_what_is_not_run(first):
    folder = first.folder / "results/published/parts-table1"
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    assert (manifest["preset"], manifest["only"]) == ("parts", "table1/moons")
    assert manifest["title"].endswith(" (so far moons)")
    assert set(pd.read_csv(folder / "tables/table1.csv")["dataset"].dropna()) >= {"moons"}
    assert "(so far moons)" in (folder / "tables/table1.md").read_text()
    # All that figures and claims are drawn from, so that they can be drawn again.
    assert (folder / "samples/moons/fm,nfe=10/seed0-0.npz").is_file()
    assert not (folder / "models").exists()
    for words in (("results/parts", *PART), ("results/published/parts-table1",)):
        audit = first.nsgf("audit", *words)
        assert audit.returncode == 0, audit.stdout + audit.stderr
    assert "This is the committed run" in first.nsgf("audit", "results/parts", *PART).stdout


def test_a_restored_run_goes_on_with_what_is_missing_alone(second, tmp_path):
    result = second.reproduce(*STUDY)
    assert result.returncode == 0, result.stdout + result.stderr
    log = (second.folder / "logs/parts/snakemake.log").read_text()
    ran = set(re.findall(r"^(?:local)?rule ([^:\s]+):", log, flags=re.MULTILINE))
    assert not [name for name in ran if name.startswith("moons-")]
    assert {"8gaussians-evaluate-nsgf", "table-table1", "table-table1-paired", "claims"} <= ran
    assert not (second.results / "models/moons").exists()
    # What was never here stays as the commit records it.
    folder = published(second, STUDY)
    for words in (("results/parts", *STUDY), ("results/published/parts-table1",)):
        audit = second.nsgf("audit", *words)
        assert audit.returncode == 0, audit.stdout + audit.stderr
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    assert "results/parts/models/moons/velocity/seed0.safetensors" in manifest["artefacts"]
    # The same numbers as those of a run in one go.
    whole = Clone(tmp_path / "whole", preset())
    result = whole.reproduce()
    assert result.returncode == 0, result.stdout + result.stderr
    assert second.tables() == whole.tables()


def test_restoring_twice_and_running_what_is_complete_do_nothing(second):
    again = second.nsgf("restore", "--preset", "parts", *STUDY)
    assert again.stdout.startswith("0 files restored")
    done = second.nsgf("restore", "--preset", "parts", *PART)
    assert done.returncode == 0, done.stderr
    result = second.reproduce(*PART)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " jobs in " not in result.stdout
    assert "This is the committed run" in result.stdout
    assert "Nothing to do" in second.reproduce(*PART).stdout
    audit = second.nsgf("audit", "results/parts", *PART)
    assert "more that the commit records are not here" in audit.stdout


def test_only_what_these_settings_would_make_is_restored(first, tmp_path):
    clone = Clone.of(first, tmp_path / "other")
    path = clone.folder / "config/parts.yaml"
    path.write_text(path.read_text().replace("step_size: 0.3", "step_size: 0.2"))
    done = clone.nsgf("restore", "--preset", "parts", *STUDY)
    assert done.returncode == 0, done.stderr
    assert not (clone.results / METRIC).exists()
    assert (clone.results / "metrics/moons/fm,nfe=10.json").is_file()


def test_settings_that_change_after_a_restore_make_anew_what_rests_on_them(second):
    path = second.folder / "config/parts.yaml"
    path.write_text(path.read_text().replace("step_size: 0.3", "step_size: 0.2"))
    result = second.reproduce(*PART)
    assert result.returncode == 0, result.stdout + result.stderr
    log = (second.folder / "logs/parts/snakemake.log").read_text()
    assert "rule moons-evaluate-nsgf:" in log
    assert "rule moons-evaluate-fm_nfe-10:" not in log
    metrics = json.loads((second.results / METRIC).read_text())
    assert metrics["parameters"]["flow"]["step_size"] == 0.2


def test_a_part_is_not_published_over_another(first, tmp_path):
    clone = Clone.copy(first, tmp_path / "other")
    done = clone.nsgf("publish", "--preset", "parts", "--only", "table1/8gaussians")
    assert done.returncode == 1  # not run; and then
    ran = clone.reproduce("--only", "table1/8gaussians")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    done = clone.nsgf("publish", "--preset", "parts", "--only", "table1/8gaussians")
    assert done.returncode == 1
    assert "table1/moons, which would be lost" in done.stderr
    assert (clone.folder / "results/published/parts-table1" / METRIC).is_file()


def test_what_is_not_the_commits_is_not_restored(first, tmp_path):
    clone = Clone.of(first, tmp_path / "other")
    file = clone.folder / "results/published/parts-table1" / METRIC
    file.write_text(file.read_text() + "\n")
    done = clone.nsgf("restore", "--preset", "parts", *STUDY)
    assert done.returncode == 1
    assert METRIC in done.stderr
    assert not clone.results.exists()


def test_what_an_unfinished_run_has_measured_is_kept(first, tmp_path):
    """One cell of two; the next machine makes the other one."""
    clone = Clone.of(first, tmp_path / "unfinished")
    shutil.rmtree(clone.folder / "results/published/parts-table1")
    clone.commit("Withdraw")
    done = clone.nsgf("publish", "--preset", "parts", *PART)
    assert done.returncode == 1
    assert "--measured" in done.stderr
    stages = ("pool", "train", "sample", "evaluate")
    every = [job.name for job in jobs(parse(preset(), Preset, "test"))]
    wanted = ["moons-reference"] + [
        job for kind in stages for job in every if job.startswith(f"moons-{kind}")
    ]
    for job in (j for j in wanted if "fm" not in j and "straight" not in j):
        done = clone.nsgf("make", "--preset", "config/parts.yaml", "--job", job)
        assert done.returncode == 0, done.stderr
    done = clone.nsgf("publish", "--preset", "parts", *PART, "--measured")
    assert done.returncode == 0, done.stderr
    clone.commit("Keep")
    audit = clone.nsgf("audit", "results/published/parts-table1")
    assert audit.returncode == 0, audit.stdout + audit.stderr
    other = Clone.of(clone, tmp_path / "next")
    assert other.nsgf("restore", "--preset", "parts", *PART).returncode == 0
    result = other.reproduce(*PART)
    assert result.returncode == 0, result.stdout + result.stderr
    ran = (other.folder / "logs/parts/snakemake.log").read_text()
    assert "rule moons-train-straight-0:" in ran
    assert "rule moons-train-velocity-0:" not in ran
    assert other.tables() == first.tables()


@pytest.mark.parametrize("only", ["table9", "table1/mons"])
def test_a_part_that_is_not_there_is_named(first, only):
    for words in (("publish", "--preset", "parts"), ("audit", "results/parts")):
        result = first.nsgf(*words, "--only", only)
        assert result.returncode == 1
        assert only.rpartition("/")[2] in result.stderr
        assert "Traceback" not in result.stderr

"""The published settings: the DAG is whole, and all of it runs at a size that a test can afford."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nsgf.artifact import SIDECAR, write_npy
from nsgf.cli import main
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.data import images
from nsgf.engine.dag import jobs, targets, tasks, write_snapshot
from nsgf.engine.make import make
from nsgf.engine.provenance import account, record
from nsgf.layout import paper_file
from nsgf.metrics import inception
from nsgf.shards import FEATURE_BATCH
from nsgf.threads import set_threads
from tests.tasks import in_order
from tests.workflow.checkout import Checkout, preset, shrink

IMAGES = 64
FIGURES = [1, *range(3, 12)]


@pytest.fixture(scope="module")
def real_images(tmp_path_factory):
    """The real sets, fetched once."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("mnist", "cifar10"):
        images.fetch(name, folder / name)
    return folder


def few_images(real: Path, tiny: Preset) -> None:
    """The first images of each real set, where the pipeline expects the whole of it."""
    for task in (t for t in tasks(tiny) if t.stage == "fetch"):
        for array, path in task.outputs.items():
            whole = np.load(real / task.unit["dataset"] / f"{array}.npy", mmap_mode="r")
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_npy(Path(path), whole[:IMAGES])
        record(task, {}, account({}))


def test_the_paper_preset_dry_runs_clean(tmp_path):
    result = Checkout(tmp_path, preset("paper")).reproduce("--dry-run")
    assert result.returncode == 0, result.stdout + result.stderr
    log = result.stdout + result.stderr
    assert "cifar10-train-velocity" in log
    assert "cifar10-sample-nsgf++-23" in log
    assert "cifar10-features-straight-11" in log
    assert "This was a dry-run" in log
    assert "<TBD>" not in log


def test_the_paper_preset_asks_for_every_table_and_figure():
    wanted = targets(load("config/paper.yaml", Preset))
    for number in (1, 2, 3):
        assert f"results/paper/tables/table{number}.csv" in wanted
    for number in FIGURES:
        assert f"results/paper/figures/figure{number}.pdf" in wanted


def test_every_input_is_an_output_or_given():
    for name in ("quick", "cpu", "paper"):
        preset = load(f"config/{name}.yaml", Preset)
        papers = {paper_file(study.paper) for study in preset.studies.values() if study.paper}
        every = jobs(preset)
        outputs = [p for j in every for p in j.outputs]
        needed = {p for j in every for p in j.inputs} - set(outputs)
        fetched = {t.inputs["registry"] for j in every if j.stage == "fetch" for t in j.tasks}
        assert fetched >= {"config/datasets.yaml"}
        assert needed == {*fetched, *papers}
        assert len({j.name for j in every}) == len(every)
        assert len(outputs) == len(set(outputs))


def test_many_jobs_share_a_set_of_cifar10():
    """Parts, then the set, then its features, then its metrics; arrays of parts are temporary."""
    every = jobs(load("config/paper.yaml", Preset))
    maker = {path: job for job in every for path in job.outputs}
    mine = [j for j in every if j.name.startswith("cifar10-") and "nsgf++" in j.name]
    counts = Counter(job.stage for job in mine)
    assert counts == {"sample": 3 * 8, "gather": 1, "features": 3 * 4, "evaluate": 1}

    def before(job, stage: str) -> set[str]:
        return {maker[p].name for p in job.inputs if p in maker and maker[p].stage == stage}

    for job in mine:
        if job.stage == "gather":
            assert len(before(job, "sample")) == 3 * 8
        if job.stage == "features":
            assert before(job, "gather") == {"cifar10-gather-nsgf++-0"}
            assert before(job, "reference") == {"cifar10-reference"}
        if job.stage == "evaluate":
            assert len(before(job, "features")) == 3 * 4
        shared = job.stage in ("sample", "features")
        assert set(job.temporary) == {p for p in job.outputs if shared and not p.endswith(SIDECAR)}
    kept = {p for job in every for p in job.kept}
    assert not kept & {p for job in every for p in job.temporary}
    small = {n: jobs(load(f"config/{n}.yaml", Preset)) for n in ("quick", "cpu")}
    assert not [j for each in small.values() for j in each if j.temporary]


def test_all_of_it_runs_with_tiny_networks(real_images, tmp_path, monkeypatch):
    whole = shrink(preset("paper"))
    shared = whole["studies"]["table2"]
    shared["sampling"] |= {"n_samples": FEATURE_BATCH + 2, "batch_size": 50}
    shared["shards"] = {"sample": 2, "features": 2}
    checkout = Checkout(tmp_path, whole)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NSGF_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(inception, "inception_available", lambda: False)
    monkeypatch.setattr(inception, "download_inception", lambda: None)
    tiny = load(f"config/{checkout.name}.yaml", Preset)
    few_images(real_images, tiny)
    write_snapshot(tiny)
    set_threads(1)
    for job in in_order(jobs(tiny)):
        if job.stage != "fetch":  # sets of 64 images are no published data set
            make(job.tasks)
            missing = [p for p in job.outputs if not (tmp_path / p).exists()]
            assert missing == [], job.name
            for path in (p for p in job.outputs if p.endswith(SIDECAR)):
                assert json.loads(Path(path).read_text())["code"] == job.code, path
    _one_unit_alone(tiny)
    for number in (1, 2, 3):
        table = pd.read_csv(checkout.results / f"tables/table{number}.csv")
        assert table["mean"].notna().any()
        assert "fid" not in set(table.loc[table["mean"].notna(), "metric"])  # no Inception here
    targets_table = pd.read_csv(checkout.results / "tables/targets.csv")
    assert len(targets_table) == 7 * 3  # data sets; two scalings and ours
    assert targets_table["change"].notna().sum() == 5  # the 2-D sets, trained on both
    claims = pd.read_csv(checkout.results / "timings/claims.csv")
    assert claims["claim"].tolist() == [1, 2, 3, 4, 5, 6]
    assert not [p for p in (tmp_path / "state").iterdir() if p.is_dir()]


def _one_unit_alone(tiny: Preset) -> None:
    """A unit that is made by itself has the bytes that it has in a job of many."""
    for stage, part in (("build-pool", "moons-pool-flow"), ("sample", "moons-sample-nsgf")):
        job = next(j for j in jobs(tiny) if j.stage == stage and j.name.startswith(part))
        assert len(job.tasks) > 1
        task = job.tasks[-1]
        together = {path: Path(path).read_bytes() for path in task.artefacts}
        for path in map(Path, task.artefacts):
            path.unlink()
        assert main(["make", task.artefacts[0]]) == 0
        assert {path: Path(path).read_bytes() for path in task.artefacts} == together

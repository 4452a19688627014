"""The published settings: the DAG is whole, and all of it runs at a size that a test can afford."""

import json
import shlex
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nsgf.artifact import SIDECAR, record, write_npy
from nsgf.cli import main
from nsgf.config.base import load
from nsgf.config.metrics import FEATURE_BATCH
from nsgf.config.preset import Preset
from nsgf.data import arrays, images
from nsgf.jobs import jobs, targets, write_configs
from nsgf.layout import DATA
from nsgf.metrics import features
from nsgf.stages import fetch_inception
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


def few_images(real, folder) -> None:
    """The first images of each real set, where the pipeline expects the whole of it."""
    for name in ("mnist", "cifar10"):
        target = folder / DATA / name
        target.mkdir(parents=True)
        for array in arrays.ARRAYS:
            write_npy(
                target / f"{array}.npy",
                np.load(real / name / f"{array}.npy", mmap_mode="r")[:IMAGES],
            )
            record(target / f"{array}.npy", stage="fetch", config={}, seed=None, code="test")


def test_the_paper_preset_dry_runs_clean(tmp_path):
    result = Checkout(tmp_path, preset("paper")).reproduce("--dry-run")
    assert result.returncode == 0, result.stdout + result.stderr
    log = result.stdout + result.stderr
    assert "cifar10-train-velocity-t5-0" in log
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
        every = jobs(load(f"config/{name}.yaml", Preset))
        made = {p for j in every for p in j.outputs} | {
            f"results/{name}/timings/{j.name}.tsv" for j in every
        }
        made |= {j.config[0] for j in every if j.config}
        needed = {p for j in every for p in j.inputs} - made
        assert needed == {"config/datasets.yaml", "config/published.yaml"}
        assert len({j.name for j in every}) == len(every)
        outputs = [p for j in every for p in j.outputs]
        assert len(outputs) == len(set(outputs))


def test_many_jobs_share_a_set_of_cifar10():
    """Parts, then the set, then its features, then its metrics; arrays of parts are temporary."""
    every = jobs(load("config/paper.yaml", Preset))
    maker = {path: job for job in every for path in job.outputs}
    mine = [j for j in every if j.name.startswith("cifar10-") and "nsgf++" in j.name]
    counts = Counter(job.stage for job in mine)
    assert counts == {"sample": 3 * 8, "gather": 1, "features": 3 * 4, "evaluate": 3}

    def before(job, stage: str) -> set[str]:
        return {maker[p].name for p in job.inputs if p in maker and maker[p].stage == stage}

    for job in mine:
        if job.stage == "gather":
            assert len(before(job, "sample")) == 3 * 8
        if job.stage == "features":
            assert before(job, "gather") == {"cifar10-gather-nsgf++-0"}
            assert before(job, "reference") == {"cifar10-reference-0"}
        if job.stage == "evaluate":
            assert len(before(job, "features")) == 4
        shared = job.stage in ("sample", "features")
        assert set(job.temporary) == {p for p in job.outputs if shared and not p.endswith(SIDECAR)}
    kept = {p for job in every for p in job.others + job.shown}
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
    monkeypatch.setattr(fetch_inception, "inception_available", lambda: False)
    monkeypatch.setattr(features, "inception_available", lambda: False)
    monkeypatch.setattr(fetch_inception, "download_inception", lambda: None)
    few_images(real_images, tmp_path)
    tiny = load(f"config/{checkout.name}.yaml", Preset)
    write_configs(tiny)
    for job in jobs(tiny):
        if job.stage != "fetch":  # sets of 64 images are no published data set
            if job.stage == "claims":
                _timings(tiny)
            words = [job.stage, *shlex.split(job.arguments)]
            assert main(words) == 0, job.name
            missing = [p for p in job.outputs if not (tmp_path / p).exists()]
            assert missing == [], job.name
            for path in (p for p in job.outputs if p.endswith(SIDECAR)):
                assert json.loads(Path(path).read_text())["code"] == job.code, path
    _one_unit_alone(tiny, tmp_path)
    for number in (1, 2, 3):
        table = pd.read_csv(checkout.results / f"tables/table{number}.csv")
        assert table["mean"].notna().any()
        assert "fid" not in set(table.loc[table["mean"].notna(), "metric"])  # no Inception here
    targets_table = pd.read_csv(checkout.results / "tables/targets.csv")
    assert len(targets_table) == 7 * 3  # data sets; two scalings and ours
    assert targets_table["change"].notna().sum() == 5  # the 2-D sets, trained on both
    claims = pd.read_csv(checkout.results / "timings/claims.csv")
    assert claims["claim"].tolist() == [1, 2, 3, 4, 5, 6]
    assert not list((tmp_path / "state").iterdir())


def _one_unit_alone(tiny: Preset, folder) -> None:
    """A unit sampled and measured by itself has the bytes that it has in a job of many."""
    for stage, ending in (("sample", ".npy"), ("evaluate", ".json")):
        (job,) = [j for j in jobs(tiny) if j.name == f"moons-{stage}-nsgf-10-0"]
        words = shlex.split(job.arguments)
        units = [words[i + 1] for i, w in enumerate(words) if w == "--unit"]
        assert len(units) > 1
        template = words[words.index("--out") + 1]
        alone = [w for i, w in enumerate(words) if "--unit" not in (w, words[i - 1])]
        alone[alone.index("--out") + 1] = f"alone/{{seed}}-{{sample}}{ending}"
        assert main([stage, *alone, "--unit", units[-1]]) == 0
        unit = dict(part.split("=") for part in units[-1].split(","))
        together = Path(template.format(**unit)).read_bytes()
        made = Path(f"alone/{unit['seed']}-{unit['sample']}{ending}").read_bytes()
        assert made == together


def _timings(tiny: Preset) -> None:
    """Benchmark files, which only Snakemake writes."""
    for job in jobs(tiny):
        path = Path(f"results/{tiny.name}/timings/{job.name}.tsv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("s\tmax_rss\n1.0\t100\n")

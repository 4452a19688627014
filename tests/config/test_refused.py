"""A preset with one mistake is refused before any job, by one message that names key and mend."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from nsgf.cli import main
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine import dag
from nsgf.errors import NsgfError
from tests.workflow.checkout import ROOT, preset

MOST = 3.0  # seconds
PLANE, IMAGES = "studies.table1", "studies.table3"
UNET, TRAINING = f"{IMAGES}.networks.velocity.net", f"{PLANE}.networks.velocity"
PHASE = {"net": {"kind": "phase_cnn"}, "iterations": 9, "batch_size": 9, "lr": 0.1}

# Where a mistake is made, the value there, and the key that the message must name.
MISTAKES = [
    ("name", "../up", "name"),
    ("title", None, "title"),
    ("seed", -1, "seed"),
    ("seed", True, "seed"),
    ("seeds", 1, "seeds"),
    ("studies", {}, "studies"),
    ("judging", {"confidence": 95}, "judging.confidence"),
    (f"{PLANE}.kind", "planr", "kind"),
    (f"{PLANE}.datasets", [], "datasets"),
    (f"{PLANE}.datasets", ["moon"], "moon"),
    (f"{PLANE}.datasets", ["moons", "moons"], "datasets"),
    (f"{PLANE}.datasets", ["mnist"], "mnist"),
    (f"{PLANE}.methods", {"otcfm": {}}, "otcfm"),
    (f"{PLANE}.methods.fm", {"nfe": [5, 5]}, "fm,nfe=5"),
    (f"{PLANE}.methods.fm", {"nfe": [0]}, "nfe"),
    (f"{PLANE}.methods.nsgf", {"nfe": 10}, "nfe"),
    (f"{PLANE}.methods.nsgf", {"flow.blurr": 1}, "flow.blurr"),
    (f"{PLANE}.nfe", [10, 10], "nfe"),
    (f"{PLANE}.nfe", [-3], "nfe"),
    (f"{PLANE}.nfe", 10, "nfe"),
    (f"{PLANE}.sweep", {"flow.blur": [1, 1]}, "flow.blur"),
    (f"{PLANE}.train_seeds", 0, "train_seeds"),
    (f"{PLANE}.flow.blur", 0, "flow.blur"),
    (f"{PLANE}.flow.blur", "0.5 px", "flow.blur"),
    (f"{PLANE}.flow.blur", True, "blur"),
    (f"{PLANE}.flow.blur", float("nan"), "flow.blur"),
    (f"{PLANE}.flow.steps", 2.5, "flow.steps"),
    (f"{PLANE}.flow.step_size", 2, "flow.step_size"),
    (f"{PLANE}.flow.backend", "pot", "flow.backend"),
    (f"{PLANE}.pool.batch_size", 1, "pool.batch_size"),
    (f"{PLANE}.pool.shards", 10**6, "shards"),
    (f"{PLANE}.pool.storage", "coefficients", "pool.storage"),
    (f"{PLANE}.targets.scalings", [0.8, 0.8], "targets.scalings"),
    (f"{TRAINING}.lr", 1, "networks.velocity.lr"),
    (f"{TRAINING}.iterations", 0, "networks.velocity.iterations"),
    (f"{TRAINING}.warmup", 10**6, "warmup"),
    (f"{TRAINING}.decay", "linear", "networks.velocity.decay"),
    (f"{TRAINING}.net", {"kind": "mpl"}, "networks.velocity.net"),
    (f"{TRAINING}.net.width", 0, "width"),
    (f"{PLANE}.networks.velocty", PHASE, "velocty"),
    (f"{PLANE}.networks.phase", PHASE, "networks.phase"),
    (f"{PLANE}.sampling.solver", "rk5", "sampling.solver"),
    (f"{PLANE}.sampling.solver", "rk4", "sampling.solver"),
    (f"{PLANE}.shards", {"sample": 99}, "shards.sample"),
    (f"{PLANE}.compute.threads", 0, "compute.threads"),
    (f"{PLANE}.resources.train.mem_mb", 1, "resources.train.mem_mb"),
    (f"{PLANE}.resources.trian", {}, "trian"),
    (f"{UNET}.channels", 33, "channels"),
    (f"{UNET}.patch", 3, "patch"),
    (f"{UNET}.patch", 4, "patch"),
    (f"{UNET}.multipliers", [1, 0], "multipliers"),
    (f"{UNET}.multipliers", [1, 2, 2, 2], "multipliers"),
    (f"{UNET}.attention_downsampling", [3], "attention_downsampling"),
    (f"{UNET}.attention_downsampling", [2, 2], "attention_downsampling"),
    (f"{UNET}.heads", 5, "heads"),
    (f"{UNET}.head_channels", 0, "head_channels"),
    (f"{UNET}.head_channels", 48, "head_channels"),
    (f"{IMAGES}.networks.phase.net.channels", [8] * 5, "channels"),
    (f"{IMAGES}.networks.phase.net.channels", [8, 0], "channels"),
    (f"{IMAGES}.sampling.n_samples", 5, "sampling.n_samples"),
    (f"{IMAGES}.metrics.kid_subset_size", 10**6, "metrics.kid_subset_size"),
    (f"{IMAGES}.metrics.n_floor", 5, "metrics.n_floor"),
    (f"{IMAGES}.metrics.neighbours", 10**6, "metrics.neighbours"),
    (f"{IMAGES}.metrics.features", ["classifier"] * 2, "features"),
    (f"{IMAGES}.metrics.features", ["clip"], "metrics.features"),
    (f"{IMAGES}.networks.classifier", None, "networks.classifier"),
    ("figures.figure3.kind", "pahts", "pahts"),
    ("figures.figure3.kind", "phases", "figures.figure3"),
    ("figures.figure3.study", "table9", "figures.figure3"),
    ("figures.figure3.datasets", ["mnist"], "figures.figure3"),
    ("figures.figure3.datasets", ["moons", "moons"], "figures.figure3.datasets"),
    ("figures.figure3.methods", ["fm", "fm"], "figures.figure3.methods"),
    ("figures.figure3.methods", ["1-rf"], "figures.figure3"),
    ("figures.figure3.nfe", 11, "figures.figure3"),
    ("figures.figure5.nfe", 10, "figures.figure5"),
    ("figures.figure5.metric", "w2", "figures.figure5"),
]


def with_mistake(base: str, key: str, value: object) -> dict:
    """A committed preset with `value` at the dotted `key`."""
    whole = preset(base)
    *outer, last = key.split(".")
    place = whole
    for name in outer:
        place = place[name]
    place[last] = value
    return whole


@pytest.mark.parametrize("base", ["quick", "cpu"])
@pytest.mark.parametrize(("key", "value", "named"), MISTAKES)
def test_one_mistake_is_one_message_and_no_dag(tmp_path, monkeypatch, base, key, value, named):
    file = tmp_path / "bad.yaml"
    file.write_text(yaml.safe_dump(with_mistake(base, key, value)))
    monkeypatch.setattr(dag, "jobs", lambda *_: pytest.fail("a DAG was built"))
    begun = time.monotonic()
    with pytest.raises(NsgfError) as caught:
        dag.jobs(load(file, Preset))
    assert time.monotonic() - begun < MOST
    assert named in caught.value.what
    assert caught.value.mend
    assert str(caught.value).count("\n  mend") == 1


def reproduce(*words: str) -> tuple[subprocess.CompletedProcess, float]:
    """What `make reproduce` calls, and the seconds that it took."""
    begun = time.monotonic()
    command = [sys.executable, ROOT / "workflow/reproduce.py", *words]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    return result, time.monotonic() - begun


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        (f"{UNET}.patch", 4, "patch"),
        (f"{PLANE}.paper", "nsgv", "config/published/nsgv.yaml"),
        (f"{IMAGES}.networks.classifier.net.classes", 9, "networks.classifier.net.classes is 9"),
    ],
)
def test_the_driver_refuses_a_preset_at_once(tmp_path, key, value, named):
    file = tmp_path / "bad.yaml"
    file.write_text(yaml.safe_dump(with_mistake("quick", key, value) | {"name": "bad"}))
    result, seconds = reproduce("--preset", str(file))
    assert (result.returncode, result.stdout) == (1, "")
    assert named in result.stderr
    assert result.stderr.count("nsgf: ") == result.stderr.count("\n  mend ") == 1
    assert "Traceback" not in result.stderr
    assert seconds < MOST
    assert not Path(ROOT, "results/bad").exists()


@pytest.mark.parametrize("cores", ["0", "abc", "-1", "1.5"])
def test_the_driver_refuses_what_is_no_number_of_cores(cores):
    result, seconds = reproduce("--cores", cores)
    assert result.returncode == 1
    assert f"nsgf: '{cores}' is no number of cores (CORES of make, --cores)\n" in result.stderr
    assert "\n  mend " in result.stderr
    assert seconds < MOST


OWN = {
    "label": "absent",
    "file": "data/own/absent.npz",
    "sha256": "0" * 64,
    "shape": [5],
    "train": 2000,
    "test": 1024,
}


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("name", "other", "name: other"),
        (f"{PLANE}.paper", "nsgv", "config/published/nsgv.yaml"),
        ("data", {"absent": OWN}, "data/own/absent.npz"),
        (f"{IMAGES}.metrics.n_test", 50_000, "10000 test images"),
        (f"{IMAGES}.metrics.n_floor", 70_000, "60000 train images"),
        (f"{IMAGES}.networks.classifier.net.classes", 9, "'mnist' has 10 classes"),
    ],
)
def test_what_a_run_could_not_begin_with_is_found_by_a_check(tmp_path, capsys, key, value, named):
    whole = with_mistake("quick", "title", "mine") | {"name": "bad"}
    *outer, last = key.split(".")
    place = whole
    for name in outer:
        place = place[name]
    place[last] = value
    file = tmp_path / "bad.yaml"
    file.write_text(yaml.safe_dump(whole))
    assert main(["check", "--preset", str(file)]) == 1
    assert named in capsys.readouterr().err


def test_a_rule_runs_again_for_its_recipe_alone():
    """What a preset is called is none: data that another preset has fetched stay as they are."""
    text = (ROOT / "workflow/rules/stages.smk").read_text()
    params = text.split("params:")[1].split("#")[0].split()
    assert params == ["recipe=job.recipe,"]

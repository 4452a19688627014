"""The command line: help, and one clear message for what a user can mend."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nsgf.cli import STAGES, main
from nsgf.lifeline import PARENT

BIN = Path(sys.executable).parent / "nsgf"
TRAIN = {
    "seed": 0,
    "network": "straight",
    "training": {
        "net": {"kind": "mlp", "width": 64, "depth": 2},
        "iterations": 20,
        "batch_size": 8,
        "lr": 0.01,
        "checkpoint_every": 5,
    },
    "compute": {"device": "cpu"},
}


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Arguments of a tiny training, and its folder."""
    monkeypatch.setenv("NSGF_STATE", str(tmp_path / "state"))
    (tmp_path / "train.json").write_text(json.dumps(TRAIN))
    out = tmp_path / "out/{dataset}/seed{seed}.safetensors"
    return ["train", "--config", str(tmp_path / "train.json"), "--out", str(out)]


def left(folder: Path) -> list[str]:
    return sorted(p.name for p in (folder / "out").rglob("*") if p.is_file())


def test_help_lists_every_stage():
    shown = subprocess.run([BIN, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(stage in shown for stage in STAGES)


def test_help_is_quick_because_nothing_heavy_is_imported():
    program = (
        "import sys; from nsgf.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    )
    program += "\nprint('torch' in sys.modules, file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stderr.strip() == "False"


def test_training_makes_the_network_its_curve_and_their_provenance(train, tmp_path):
    assert main([*train, "--unit", "dataset=moons,seed=0"]) == 0
    names = ["seed0.csv", "seed0.csv.prov.json", "seed0.safetensors", "seed0.safetensors.prov.json"]
    assert left(tmp_path) == names


def test_bytes_do_not_depend_on_how_units_share_a_process(train, tmp_path):
    units = ["dataset=moons,seed=0", "dataset=moons,seed=1"]
    assert main([*train, "--unit", units[0], "--unit", units[1]]) == 0
    together = (tmp_path / "out/moons/seed1.safetensors").read_bytes()
    (tmp_path / "out/moons/seed1.safetensors").unlink()
    assert main([*train, "--unit", units[1]]) == 0
    assert (tmp_path / "out/moons/seed1.safetensors").read_bytes() == together


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"network": "strait"}, "unknown network 'strait'"),
        ({"network": "velocity"}, "learns from a pool"),
        ({"training": TRAIN["training"] | {"lr": 2}}, "'training.lr'"),
        ({"training": TRAIN["training"] | {"iteration": 2}}, "nearest known key: 'iterations'"),
        ({"compute": {"device": "cuda"}}, "no CUDA device"),
    ],
)
def test_a_wrong_setting_is_one_message(train, tmp_path, capsys, change, says):
    import torch

    if torch.cuda.is_available() and "compute" in change:
        change, says = {"network": "strait"}, "unknown network"
    (tmp_path / "train.json").write_text(json.dumps(TRAIN | change))
    assert main([*train, "--unit", "dataset=moons,seed=0"]) == 1
    message = capsys.readouterr().err
    assert says in message
    assert "mend" in message
    assert not (tmp_path / "out").exists()


def test_an_unknown_data_set_and_a_bad_template_are_messages(train, capsys):
    assert main([*train, "--unit", "dataset=moon,seed=0"]) == 1
    assert "did you mean 'moons'" in capsys.readouterr().err
    assert main([*train[:-1], "{shard}.safetensors", "--unit", "dataset=moons,seed=0"]) == 1
    assert "which unit 'dataset=moons,seed=0' lacks" in capsys.readouterr().err


def test_a_unit_that_is_none_is_refused_by_the_parser(train, capsys):
    with pytest.raises(SystemExit):
        main([*train, "--unit", "moons"])
    assert "is not a unit of work" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_message(train, tmp_path, capsys):
    (tmp_path / "out").write_text("a file where a folder should be")
    assert main([*train, "--unit", "dataset=moons,seed=0"]) == 1
    assert "cannot read or write" in capsys.readouterr().err


def test_a_full_disk_is_one_message_and_the_run_goes_on_later(train, tmp_path):
    """A limit on file size stands in for a full disk: writes fail the same way, in the middle."""

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    words = [str(BIN), *train, "--unit", "dataset=moons,seed=0"]
    result = subprocess.run(words, capture_output=True, text=True, preexec_fn=limited)
    assert result.returncode == 1
    assert "free some space" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists() or left(tmp_path) == []
    assert main([*train, "--unit", "dataset=moons,seed=0"]) == 0


def test_a_job_whose_snakemake_is_gone_does_not_begin(train, tmp_path):
    """It was killed between starting the job and the job's first line."""
    command = [str(BIN), *train, "--unit", "dataset=moons,seed=0"]
    environment = os.environ | {PARENT: "1"}
    result = subprocess.run(command, env=environment, text=True, capture_output=True)
    assert result.returncode == 1
    assert result.stderr == "nsgf: whoever started this was killed before it began\n"
    assert left(tmp_path) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_libraries_get_the_threads_of_the_settings_whatever_the_environment_says(tmp_path, threads):
    """A command pasted into a shell has the bytes of the one that Snakemake ran."""
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"compute": {"threads": threads}}))
    program = (
        "import sys; from nsgf import cli; cli.main(sys.argv[1:]); import scipy.linalg,"
        " threadpoolctl; print([p['num_threads'] for p in threadpoolctl.threadpool_info()])"
    )
    words = ["train", "--config", str(settings), "--unit", "dataset=moons,seed=0", "--out", "x"]
    result = subprocess.run(
        [sys.executable, "-c", program, *words],
        env=os.environ | {f"{name}_NUM_THREADS": str(3 - threads) for name in ("OMP", "OPENBLAS")},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    found = json.loads(result.stdout.splitlines()[-1])
    assert found
    assert set(found) == {min(threads, os.cpu_count())}

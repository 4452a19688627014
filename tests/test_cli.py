"""The command line: help, and one clear message for what a user can mend."""

import json
import os
import resource
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nsgf.cli import COMMANDS, main
from nsgf.engine.dag import tasks_for
from nsgf.lifeline import PARENT
from nsgf.registry import ARRAYS
from tests import tiny_run
from tests.workflow.checkout import ROOT

BIN = Path(sys.executable).parent / "nsgf"
MODELS = "results/small/models/moons/straight"
MODEL, OTHER = (f"{MODELS}/seed{k}.safetensors" for k in (0, 1))
MAKE = ["make", "--preset", "config/small.yaml"]


def write_preset(**changes) -> None:
    """A preset in config/, with changes of the training of its straight network."""
    whole = tiny_run.small()
    study = whole["studies"]["table1"]
    compute = changes.pop("compute", study["compute"])
    training = study["networks"]["straight"] | changes
    study |= {"networks": study["networks"] | {"straight": training}, "compute": compute}
    Path("config").mkdir(exist_ok=True)
    Path("config/small.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of its own with a tiny preset, which becomes the current folder."""
    monkeypatch.setenv("NSGF_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("NSGF_STORE", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_preset()
    return tmp_path / "here"


def left() -> list[str]:
    return sorted(p.name for p in Path("results").rglob("*") if p.is_file())


def test_help_lists_every_command():
    shown = subprocess.run([BIN, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(command in shown for command in COMMANDS)


def test_help_is_quick_because_nothing_heavy_is_imported():
    program = (
        "import sys; from nsgf.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    )
    program += "\nprint('torch' in sys.modules, file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stderr.strip() == "False"


def test_making_a_path_makes_all_outputs_of_its_unit_and_their_provenance(checkout):
    assert main([*MAKE, MODEL]) == 0
    names = ["seed0.csv", "seed0.csv.prov.json", "seed0.safetensors", "seed0.safetensors.prov.json"]
    assert [name for name in left() if name.startswith("seed0")] == names
    assert not Path(OTHER).exists()


def test_a_path_below_results_names_its_own_preset(checkout):
    assert main(["make", MODEL.replace(".safetensors", ".csv")]) == 0
    assert Path(MODEL).exists()


def test_bytes_do_not_depend_on_how_units_share_a_process(checkout):
    assert main([*MAKE, "--job", "moons-train-straight-0"]) == 0
    together, beside = (Path(f"{OTHER}{end}").read_bytes() for end in ("", ".prov.json"))
    Path(OTHER).unlink()
    assert main(["make", OTHER]) == 0
    assert Path(OTHER).read_bytes() == together
    assert Path(f"{OTHER}.prov.json").read_bytes() == beside


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"net": {"kind": "phase_cnn"}}, "kind 'phase_cnn' is a time, not a field"),
        ({"lr": 2}, "'studies.table1.networks.straight.lr'"),
        ({"iteration": 2}, "nearest known key: 'iterations'"),
        ({"compute": {"device": "cuda"}}, "no CUDA device"),
    ],
)
def test_a_wrong_setting_is_one_message(checkout, capsys, change, says):
    import torch

    if torch.cuda.is_available() and "compute" in change:
        change, says = {"lr": 2}, "networks.straight.lr"
    write_preset(**change)
    assert main([*MAKE, MODEL]) == 1
    message = capsys.readouterr().err
    assert says in message
    assert message.count("nsgf: ") == 1
    assert "mend" in message
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([*MAKE, MODEL.replace("straight", "strait")], f"did you mean '{MODEL}'"),
        (["make", MODEL.replace("small", "other")], "does not say which preset makes it"),
        (["make", "--preset", "smal", MODEL], "did you mean 'small'"),
        ([*MAKE, "--job", "moons-train-straight"], "did you mean 'moons-train-straight-0'"),
        ([*MAKE, "--job", "moons-train-straight-0", MODEL], "takes paths, or --job with --preset"),
        (["make", "--job", "moons-train-straight-0"], "takes paths, or --job with --preset"),
        (["make"], "takes paths, or --job with --preset"),
        ([*MAKE, MODEL.replace("straight", "velocity")], "x.npy' is missing"),
    ],
)
def test_what_cannot_be_made_is_one_message(checkout, capsys, words, says):
    assert main(words) == 1
    message = capsys.readouterr().err
    assert says in message
    assert message.count("nsgf: ") == 1
    assert not Path("results").exists()


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_data_is_made_by_any_preset_that_has_it(monkeypatch, name):
    """So that the command in its provenance works as it stands there."""
    monkeypatch.chdir(ROOT)
    for array in ARRAYS:
        (work,) = tasks_for([f"data/processed/{name}/{array}.npy"])
        assert (work.stage, work.unit) == ("fetch", {"dataset": name})


def test_a_folder_that_cannot_be_written_is_one_message(checkout, capsys):
    Path("results").write_text("a file where a folder should be")
    assert main([*MAKE, MODEL]) == 1
    assert "cannot read or write" in capsys.readouterr().err


def test_a_full_disk_is_one_message_and_the_run_goes_on_later(checkout):
    """A limit on file size stands in for a full disk: writes fail the same way, in the middle."""

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

    words = [str(BIN), *MAKE, MODEL]
    result = subprocess.run(words, capture_output=True, text=True, preexec_fn=limited)
    assert result.returncode == 1
    assert "free some space" in result.stderr
    assert "Traceback" not in result.stderr
    assert left() == []
    assert main([*MAKE, MODEL]) == 0


def test_a_job_whose_snakemake_is_gone_does_not_begin(checkout):
    """It was killed between starting the job and the job's first line."""
    command = [str(BIN), *MAKE, "--job", "moons-train-straight-0"]
    environment = os.environ | {PARENT: "1"}
    result = subprocess.run(command, env=environment, text=True, capture_output=True)
    assert result.returncode == 1
    assert result.stderr == "nsgf: whoever started this was killed before it began\n"
    assert left() == []


@pytest.mark.parametrize("threads", [1, 2])
def test_libraries_get_the_threads_of_the_settings_whatever_the_environment_says(checkout, threads):
    """A command pasted into a shell has the bytes of the one that Snakemake ran."""
    write_preset(compute={"device": "cpu", "threads": threads})
    program = (
        "import sys; from nsgf import cli; cli.main(sys.argv[1:]); import scipy.linalg,"
        " threadpoolctl; print([p['num_threads'] for p in threadpoolctl.threadpool_info()])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *MAKE, MODEL],
        env=os.environ | {f"{name}_NUM_THREADS": str(3 - threads) for name in ("OMP", "OPENBLAS")},
        capture_output=True,
        text=True,
    )
    found = json.loads(result.stdout.splitlines()[-1])
    assert found
    assert set(found) == {min(threads, os.cpu_count())}


def test_a_command_that_makes_nothing_takes_one_thread_and_loads_nothing_heavy():
    program = (
        "import os, sys; from nsgf import cli\ncli.main(['check', '--preset', 'quick'])\n"
        "print(os.environ['OMP_NUM_THREADS'], 'torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "1 False"


def test_a_reader_that_has_had_enough_is_no_error():
    code = "import sys; from nsgf.cli import main; sys.exit(main(['check', '--preset', 'cpu']))"
    command = shlex.join([sys.executable, "-c", code]) + " | head -c 1"
    result = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (result.stdout, result.stderr) == ("c", "")

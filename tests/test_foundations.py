"""Streams, artefacts, provenance, errors, state and imports: what every stage rests on."""

import ast
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import nsgf
from nsgf.artifact import atomic, read_json, sha256_file, sidecar, write_text
from nsgf.config.base import deciding
from nsgf.config.train import Training
from nsgf.engine import state
from nsgf.engine.provenance import account, record
from nsgf.errors import NsgfError
from nsgf.rng import stream, stream_seed
from tests.tasks import task

SOURCE = Path(nsgf.__file__).parent
TRAINING = {"net": {"kind": "mlp"}, "iterations": 2, "batch_size": 8, "lr": 0.01}


@given(st.integers(0, 2**40), st.text(), st.text())
def test_streams_differ_by_seed_and_by_name(seed, a, b):
    assert stream_seed(seed, a) == stream_seed(seed, a)
    assert stream_seed(seed, a) != stream_seed(seed + 1, a)
    if a != b:
        assert stream_seed(seed, a) != stream_seed(seed, b)
    assert stream_seed(seed, a, "x") != stream_seed(seed, a + "x")


def test_a_stream_is_a_function_of_its_name():
    assert torch.equal(stream(1, "a").uniform(4), stream(1, "a").uniform(4))


def test_a_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError), atomic(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_provenance_states_digest_command_inputs_code_and_processor(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source, made = Path("in.txt"), Path("results/a b/out.txt")
    write_text(source, "x")
    write_text(made, "y")
    settings = Training.model_validate(TRAINING)
    work = task("train", {"seed": 1}, settings, {"in": source}, {"out": made})
    record(work, {"in.txt": sha256_file(source)}, account({"resumed_at": 0}))
    body = read_json(sidecar(made))
    assert body["sha256"] == sha256_file(made)
    assert body["inputs"] == {"in.txt": sha256_file(source)}
    assert body["command"] == "nsgf make 'results/a b/out.txt'"
    assert (body["unit"], body["facts"]) == ({"seed": 1}, {"resumed_at": 0})
    assert (body["config"], body["code"]) == (deciding(settings), work.code)
    assert "checkpoint_every" not in body["config"]
    assert body["versions"]["torch"] == torch.__version__.split("+")[0]
    assert body["machine"]["processor"]
    assert body["machine"]["cores"] == os.cpu_count()


def test_an_error_aligns_its_facts_and_survives_pickling():
    error = NsgfError("pool is wrong", "remove it", made_by="nsgf build-pool")
    assert str(error).splitlines()[1:] == ["  made by  nsgf build-pool", "  mend     remove it"]
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_state_is_kept_after_a_failure_and_removed_after_success(tmp_path, monkeypatch):
    monkeypatch.setenv("NSGF_STATE", str(tmp_path))
    with pytest.raises(RuntimeError), state.work_state({"k": 1}) as folder:
        (folder / "part").write_text("half")
        raise RuntimeError
    with state.work_state({"k": 1}) as folder:
        assert (folder / "part").read_text() == "half"
    assert not folder.exists()


def test_two_owners_of_one_state_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("NSGF_STATE", str(tmp_path))
    monkeypatch.setattr(state, "WAIT_SECONDS", 0.1)
    with (
        state.work_state("k"),
        pytest.raises(NsgfError, match="another process"),
        state.work_state("k"),
    ):
        pass


ORDER = [
    "errors",
    "lifeline",
    "private",
    "threads",
    "numerics",
    "registry",
    "compiled",
    "philox",
    "philox_loops",
    "activation_loops",
    "torch_kernels",
    "rng",
    "shards",
    "artifact",
    "progress",
    "config",
    "device",
    "data",
    "ot",
    "flows",
    "jko",
    "nets",
    "metrics",
    "report",
    "studies",
    "layout",
    "engine",
    "train",
    "sample",
    "stages",
    "estimator",
    "ops",
    "cli",
]


def against_the_direction(name: str, text: str) -> list[str]:
    """What the module `name`, such as ot/dense, imports from behind it."""
    mine, found = ORDER.index(name.split("/")[0]), []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "nsgf":
            found += [f"nsgf.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
    ours = [module for module in found if module.startswith("nsgf.")]
    return [module for module in ours if ORDER.index(module.split(".")[1]) > mine]


def test_data_flows_one_way():
    """A module imports only what stands before it."""
    names = {path.relative_to(SOURCE).with_suffix("").as_posix() for path in SOURCE.rglob("*.py")}
    read = {name: (SOURCE / f"{name}.py").read_text() for name in names - {"__init__"}}
    assert {name.split("/")[0] for name in read} == set(ORDER)
    wrong = {name: against_the_direction(name, text) for name, text in read.items()}
    assert {name: modules for name, modules in wrong.items() if modules} == {}


@pytest.mark.parametrize(
    "line",
    ["from nsgf.stages.train import make", "from nsgf import ops", "import nsgf.stages.train as t"],
)
def test_an_import_against_the_direction_is_seen(line):
    assert against_the_direction("ot/dense", f"def f():\n    {line}\n")
    assert not against_the_direction("cli", line)


def test_reading_a_preset_imports_nothing_heavy():
    program = (
        "import sys; from nsgf.config.base import load; from nsgf.config.preset import Preset;"
        "from nsgf.engine.dag import jobs; jobs(load('config/quick.yaml', Preset));"
        "print([m for m in ('torch', 'pandas', 'matplotlib', 'geomloss') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=SOURCE.parents[1],
    )
    assert result.stdout.strip() == "[]"


def test_the_driver_loads_no_library_before_it_has_chosen_numerics():
    program = (
        "import sys; sys.path.insert(0, 'workflow'); import reproduce;"
        "print([m for m in ('numpy', 'torch', 'pandas') if m in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    root = SOURCE.parents[1]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert result.stdout.strip() == "[]"


def test_every_test_that_the_paper_map_names_exists():
    text, file = Path("docs/paper-map.md").read_text(), ""
    named = re.findall(r"`([\w/]*\.py)?::(\w+)`", text)
    assert len(named) > 30
    for path, function in named:
        file = path or file  # `::name` goes on in the file named before it
        assert f"def {function}(" in (Path("tests") / file).read_text(), f"{file}::{function}"

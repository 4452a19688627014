"""Streams, artefacts, errors, state and the code hash: what every stage rests on."""

import ast
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nsgf import artifact, codehash, state
from nsgf.errors import NsgfError
from nsgf.registry import NETS
from nsgf.rng import stream, stream_seed

SOURCE = Path(codehash.__file__).parent


@given(st.integers(0, 2**40), st.text(), st.text())
def test_streams_differ_by_seed_and_by_name(seed, a, b):
    assert stream_seed(seed, a) == stream_seed(seed, a)
    assert stream_seed(seed, a) != stream_seed(seed + 1, a)
    if a != b:
        assert stream_seed(seed, a) != stream_seed(seed, b)
    assert stream_seed(seed, a, "x") != stream_seed(seed, a + "x")


def test_a_stream_is_a_function_of_its_name():
    assert torch.equal(
        torch.rand(4, generator=stream(1, "a")), torch.rand(4, generator=stream(1, "a"))
    )


def test_a_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    artifact.write_text(target, "old")
    with pytest.raises(RuntimeError), artifact.atomic(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_provenance_states_digest_command_inputs_and_code(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/bin/nsgf", "train", "--out", "a b"])
    source, made = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("x")
    made.write_text("y")
    artifact.record(made, stage="s", config={"a": 1}, seed=3, code="abc", inputs=[source])
    body = json.loads(artifact.sidecar(made).read_text())
    assert body["sha256"] == artifact.sha256_file(made) == artifact.digest(made)
    assert body["inputs"] == {str(source): artifact.sha256_file(source)}
    assert body["command"] == "nsgf train --out 'a b'"
    assert body["versions"]["torch"] == torch.__version__.split("+")[0]


def test_an_error_aligns_its_facts_and_survives_pickling():
    error = NsgfError("pool is wrong", "remove it", made_by="nsgf build-pool")
    assert str(error).splitlines()[1:] == ["  made by  nsgf build-pool", "  mend     remove it"]
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_state_is_kept_after_a_failure_and_removed_after_success(tmp_path, monkeypatch):
    monkeypatch.setenv("NSGF_STATE", str(tmp_path))
    with pytest.raises(RuntimeError), state.WorkState({"k": 1}) as folder:
        (folder / "part").write_text("half")
        raise RuntimeError
    with state.WorkState({"k": 1}) as folder:
        assert (folder / "part").read_text() == "half"
    assert not folder.exists()


def test_two_owners_of_one_state_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("NSGF_STATE", str(tmp_path))
    monkeypatch.setattr(state, "WAIT_SECONDS", 0.1)
    with (
        state.WorkState("k"),
        pytest.raises(NsgfError, match="another process"),
        state.WorkState("k"),
    ):
        pass


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package that stands in for nsgf, with a function that hashes it anew."""
    files = {
        "__init__": "",
        "a": '"""Doc."""\nfrom nsgf import b\n\ndef f():\n    from nsgf.c import g\n    return g\n',
        "b": "X = 1  # one\n",
        "c": 'def g():\n    """Doc."""\n    return 2\n',
        "d": "Y = 3\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(codehash, "ROOT", tmp_path)

    def hashed() -> str:
        for cached in (codehash.code_of, codehash._tree, codehash._imports, codehash._fingerprint):
            cached.cache_clear()
        return codehash.code_of("nsgf.a")

    yield tmp_path, hashed
    monkeypatch.undo()
    for cached in (codehash.code_of, codehash._tree, codehash._imports, codehash._fingerprint):
        cached.cache_clear()


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("b", "# one", "# the number one", False),
        ("c", "Doc.", "Another text.", False),
        ("d", "3", "4", False),
        ("b", "X = 1", "X = 2", True),
        ("c", "return 2", "return 3", True),
    ],
)
def test_the_code_hash_follows_imports_but_not_comments(package, file, old, new, changes):
    folder, hashed = package
    before = hashed()
    path = folder / f"{file}.py"
    path.write_text(path.read_text().replace(old, new))
    assert (hashed() != before) == changes


@pytest.mark.parametrize("kind", sorted(NETS))
def test_a_networks_code_reaches_its_stages_hash(monkeypatch, kind):
    """Modules that the registry names are loaded late, where no import shows them."""
    before = codehash.stage_code("train", "moons", network="straight", used=(NETS[kind],))
    real = codehash._fingerprint
    changed = lambda name: real(name) + ("x" if name == NETS[kind] else "")  # noqa: E731
    monkeypatch.setattr(codehash, "_fingerprint", changed)
    codehash.code_of.cache_clear()
    after = codehash.stage_code("train", "moons", network="straight", used=(NETS[kind],))
    monkeypatch.undo()
    codehash.code_of.cache_clear()
    assert after != before


def test_one_methods_code_is_not_anothers():
    ot_cfm = codehash.stage_code("train", "moons", network="ot_cfm")
    assert ot_cfm != codehash.stage_code("train", "moons", network="straight")


ORDER = [
    "errors",
    "lifeline",
    "private",
    "lifeline",
    "registry",
    "rng",
    "shards",
    "artifact",
    "codehash",
    "progress",
    "state",
    "config",
    "device",
    "compiled",
    "data",
    "ot",
    "flows",
    "nets",
    "train",
    "sample",
    "metrics",
    "layout",
    "jobs",
    "report",
    "audit",
    "crate",
    "bench",
    "stages",
    "plan",
    "watch",
    "cli",
]


def test_data_flows_one_way():
    """A module imports only what stands before it."""
    wrong = []
    for path in SOURCE.rglob("*.py"):
        mine = path.relative_to(SOURCE).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nsgf."):
                other = node.module.split(".")[1]
                if mine != "__init__" and ORDER.index(other) > ORDER.index(mine):
                    wrong.append(f"{path.relative_to(SOURCE)} imports {node.module}")
    assert wrong == []


def test_reading_a_preset_imports_nothing_heavy():
    program = (
        "import sys; from nsgf.config.base import load; from nsgf.config.preset import Preset;"
        "from nsgf.jobs import jobs; jobs(load('config/quick.yaml', Preset));"
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


def test_every_test_that_the_paper_map_names_exists():
    text, file = Path("docs/paper-map.md").read_text(), ""
    named = re.findall(r"`([\w/]*\.py)?::(\w+)`", text)
    assert len(named) > 30
    for path, function in named:
        file = path or file  # `::name` goes on in the file named before it
        assert f"def {function}(" in (Path("tests") / file).read_text(), f"{file}::{function}"

"""The code hash: what a piece of work really uses, and nothing beside it."""

import copy
import shutil
import subprocess
from pathlib import Path

import pytest

from nsgf.artifact import sha256_json
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine import code
from nsgf.engine.code import code_of, modules_of, reached
from nsgf.engine.dag import jobs, tasks_for
from nsgf.registry import NETS, NETWORKS, STAGES

SOURCE = code.ROOT
CACHED = (
    *(code.code_of, code._own, code._tree, code._imports, code._fingerprint),
    code._version,
)
STAGE = '''"""Doc."""
from nsgf.b import X, Y
from nsgf.d import Z
from nsgf.errors import NsgfError

LIMIT = 3
LIMIT += X


def tasks(outline):
    return Z + 1


def make(settings, unit, files):
    """Doc."""
    from nsgf.c import g

    return _help(g) + LIMIT


def _help(g):
    return 5


def _aside():
    return 7
'''


def forget() -> None:
    for cached in CACHED:
        cached.cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package that stands in for nsgf, with a function that hashes its stage anew."""
    files = {
        "__init__": "",
        "stages/__init__": "",
        "stages/a": STAGE,
        "b": "X = 1  # one\nY = 6\n",
        "c": 'def g():\n    """Doc."""\n    from nsgf import e\n    return 2\n',
        "d": "Z = 3\n",
        "e": "W = 4\n",
        "errors": "V = 8\n",
        "late": "U = 9\n",
        "f/__init__": "from .h import R\n",
        "f/g": "from . import i\nfrom ..c import g\n",
        "f/h": "R = 31\n",
        "f/i": "import numpy as np\nS = 41\n",
    }
    for name, text in files.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(code, "ROOT", tmp_path)

    def hashed() -> str:
        forget()
        return code_of("a", ("nsgf.late", "nsgf.f.g"), ("entry",))

    yield tmp_path, hashed
    monkeypatch.undo()
    forget()


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("b", "# one", "# the number one", False),
        ("c", "Doc.", "Another text.", False),
        ("b", "X = 1", "X = 2", True),
        ("c", "return 2", "return 3", True),
        ("e", "4", "5", True),
        ("late", "9", "10", True),
        ("errors", "8", "9", False),
        # Relative imports, of a package and of a module.
        ("f/h", "31", "32", True),
        ("f/i", "41", "42", True),
        # Of the stage's own file only what `make` reaches counts.
        ("d", "3", "4", False),
        ("stages/a", "Z + 1", "Z + 2", False),
        ("stages/a", "return 7", "return 8", False),
        ("stages/a", "import X, Y", "import X", False),
        ("stages/a", '"""Doc."""', '"""Text."""', False),
        ("stages/a", "return 5", "return 6", True),
        ("stages/a", "LIMIT = 3", "LIMIT = 4", True),
        ("stages/a", "LIMIT += X", "LIMIT -= X", True),
        ("stages/a", "+ LIMIT", "- LIMIT", True),
    ],
)
def test_the_code_hash_follows_what_make_reaches_but_not_comments(package, file, old, new, changes):
    folder, hashed = package
    before, path = hashed(), folder / f"{file}.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert (hashed() != before) == changes


def test_a_version_counts_where_its_library_is_used_and_nowhere_else(package, monkeypatch):
    folder, hashed = package
    before, real = hashed(), code.metadata.version
    for library, counts in (("numpy", True), ("llvmlite", False)):
        with monkeypatch.context() as patch:
            versions = {library: "0.0"}
            patch.setattr(code.metadata, "version", lambda n, v=versions: v.get(n) or real(n))
            assert (hashed() != before) == counts
    (folder / "late.py").write_text("def f():\n    import numba\n    return numba\n")
    after = hashed()
    monkeypatch.setattr(code.metadata, "version", lambda n: "0" if n == "llvmlite" else real(n))
    assert hashed() != after


@pytest.mark.parametrize("kind", sorted(NETS))
def test_a_networks_code_reaches_its_stages_hash(monkeypatch, kind):
    """Modules that the registry names are loaded late, where no import shows them."""
    before, real = code_of("train", (NETS[kind],)), code._fingerprint
    changed = lambda name: real(name) + ("x" if name == NETS[kind] else "")  # noqa: E731
    monkeypatch.setattr(code, "_fingerprint", changed)
    code_of.cache_clear()
    after = code_of("train", (NETS[kind],))
    monkeypatch.undo()
    code_of.cache_clear()
    assert after != before


def test_one_methods_code_is_not_anothers_and_a_line_of_the_registry_counts():
    ot_cfm, straight = (code_of("train", (NETWORKS[n].module,)) for n in ("ot_cfm", "straight"))
    assert ot_cfm != straight
    entry = NETWORKS["straight"]
    assert code_of("train", (entry.module,), (entry,)) != straight


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_stage_makes_with_lies_where_its_hash_sees_it(stage):
    """Other stages are aside, and so is what hides in a statement that defines no name."""
    own = reached(code._tree(code.stage_module(stage)).body, code.MAKE)
    assert code.MAKE in [name for node in own for name in code._names(node)]
    assert [m for m in code._imported(own, code.STAGES) if m.startswith("nsgf.stages")] == []
    rest = [n for n in code._tree(code.stage_module(stage)).body if not code._names(n)]
    assert all(map(code._is_text, rest))


LOADED = """
import sys
from nsgf.engine.dag import tasks_for
from nsgf.engine.make import make

work = tasks_for([sys.argv[1]])
before = set(sys.modules)
make(work)
print(*sorted(m for m in set(sys.modules) - before if m.startswith("nsgf.")))
"""
ONE_OF_EACH = (
    "pools/moons/flow/seed0/shard0/x.npy",
    "models/moons/velocity/seed0.safetensors",
    "models/moons/straight/seed0.safetensors",
    "samples/moons/nsgf/seed0-0.npy",
    "samples/moons/fm,nfe=10/seed0-0.npy",
    "samples/moons/reference/test.json",
    "metrics/moons/nsgf.json",
    "tables/table1.csv",
    "figures/figure3.png",
    "timings/claims.csv",
)


@pytest.fixture(scope="module")
def copied(small, tmp_path_factory) -> Path:
    """A copy of the finished run, in which files may be made again."""
    folder = tmp_path_factory.mktemp("copied") / "run"
    return shutil.copytree(small.folder, folder, symlinks=True)


@pytest.mark.parametrize("path", ONE_OF_EACH)
def test_all_that_a_task_loads_enters_its_hash(small, copied, monkeypatch, path):
    """A module that is loaded by name, and that a task does not name, would change unseen."""
    path = f"results/small/{path}"
    program = [small.scripts / "nsgf", "-c", LOADED, path]
    said = subprocess.run(
        program, cwd=copied, env=small.environment, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    loaded = {m for m in said.stdout.splitlines()[-1].split() if not code.is_aside(m)}
    monkeypatch.chdir(copied)
    (work,) = tasks_for([path])
    packages = {name for name in loaded if (SOURCE.joinpath(*name.split(".")[1:])).is_dir()}
    assert loaded - packages <= modules_of(work.stage, work.modules)


@pytest.mark.parametrize("name", ["quick", "cpu", "paper"])
def test_tasks_of_a_job_share_settings_and_code(name):
    """A job runs again as a whole, and asks the scheduler once."""
    for job in jobs(load(f"config/{name}.yaml", Preset)):
        for task in job.tasks:
            for what in ("stage", "study", "config", "code", "resources", "threads", "temporary"):
                assert getattr(task, what) == getattr(job.tasks[0], what), f"{job.name}: {what}"


def test_parts_of_two_studies_that_differ_are_jobs_of_their_own():
    """The same cells, in shards of another number: Snakemake asks a job for one recipe."""
    whole = load("config/quick.yaml", Preset).model_dump(mode="json")
    twin = copy.deepcopy(whole["studies"]["table3"])
    twin["shards"] = {"sample": 2, "features": 3}
    twin["sampling"]["n_samples"] += 1
    whole["studies"] |= {"twin": twin}
    found = jobs(Preset.model_validate(whole))
    assert len({job.name for job in found}) == len(found)
    assert len({path for job in found for path in job.artefacts}) == sum(
        len(job.artefacts) for job in found
    )
    for job in found:
        assert len({(sha256_json(task.config), task.code) for task in job.tasks}) == 1, job.name

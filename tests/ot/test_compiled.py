"""The same bytes whether kernels were compiled a moment ago or long since, in any order of use."""

import os
import shutil
import subprocess
import sys

import pytest

from nsgf import compiled
from tests.slurm.use import with_variable
from tests.workflow.checkout import wait_for

PROGRAM = """
import hashlib, sys, torch
from nsgf.ot import kernels, velocity
from nsgf.ot.loops import clouds, newton, symmetric
torch.manual_seed(0)
x, y = torch.randn(3, 24, 5).double(), torch.randn(3, 24, 5).double() + 1
pairs = [(x, y), (x.float(), y.float())]
bytes_of = lambda v: v.numpy().tobytes()
one = lambda: b"".join(bytes_of(velocity(a[k], b[k], 0.5).v) for a, b in pairs for k in range(3))
batch = lambda: b"".join(bytes_of(velocity(a, b, 0.5).v) for a, b in pairs)
order = {"one": one, "batch": batch}
found = {name: order[name]() for name in sys.argv[1:]}
for name in sorted(found):
    print(name, hashlib.sha256(found[name]).hexdigest())
every = [k for loops in (clouds, newton, symmetric) for k in vars(loops).values()]
every = [k for k in every if hasattr(k, "stats")]
print("compiled here", sum(len(k.stats.cache_misses) for k in every))
print("loaded", sum(len(k.stats.cache_hits) for k in every))
"""


def told(cache, *order: str, threads: int = 1, program: str = PROGRAM, **rest: str) -> str:
    """What the program says; its kernels lie in `cache`, or where all runs have theirs if None."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    environment |= {"NUMBA_CACHE_DIR": str(cache)} if cache else {}
    result = subprocess.run(
        [sys.executable, "-c", program, *order],
        env=environment | rest,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A folder of compiled kernels, and what the run said that had them compiled."""
    cache = tmp_path_factory.mktemp("kernels")
    return cache, told(cache, "one", "batch")


def test_the_first_run_on_a_machine_has_the_bytes_of_all_later_ones(first):
    cache, said = first
    lines = dict(line.rsplit(maxsplit=1) for line in said.splitlines())
    assert lines["compiled here"] == "0"
    assert int(lines["loaded"]) > 0
    assert lines["one"] == lines["batch"]
    assert told(cache, "one", "batch") == said
    assert told(cache, "batch", "one") == said
    assert told(cache, "one", "batch", threads=2) == said
    assert told(None, "one", "batch") == said  # compiled another time


def test_damaged_kernels_are_compiled_again(first, tmp_path, monkeypatch):
    (intact,) = first[0].glob("*/kernels-*/")
    folder = shutil.copytree(intact, tmp_path / "kernels")
    compilations = []

    def compile_() -> None:
        """What it takes a minute to compile, in the folder that is cleared for it."""
        assert not folder.exists()
        compilations.append(shutil.copytree(intact, folder))

    monkeypatch.setattr(compiled, "folder", lambda: folder)
    monkeypatch.setattr(compiled, "_compile", compile_)
    monkeypatch.setattr(compiled, "ensure", compiled.ensure.__wrapped__)
    assert compiled._intact()
    files = [max(folder.glob(f"*.{kind}")) for kind in ("nbi", "nbc")]
    for file in files:
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        assert not compiled._intact()
        file.write_bytes(whole)
        assert compiled._intact()
    compiled.ensure()
    assert compilations == []
    for file in files:
        file.write_bytes(file.read_bytes()[:100])
    compiled.ensure()
    assert compilations == [folder]
    assert compiled._intact()


def test_kernels_of_two_kinds_share_no_folder(tmp_path):
    where = "from nsgf import compiled; print(compiled.folder())"
    ours = told(tmp_path, program=where)
    kinds = [
        told(tmp_path, program=where, NUMBA_CPU_NAME="haswell"),
        told(tmp_path, program=where, NUMBA_CPU_FEATURES="-fma"),
        told(tmp_path, program=where.replace(";", "; compiled.FLAGS.add('arcp');")),
    ]
    assert len({ours, *kinds}) == 4
    assert told(tmp_path, program=where) == ours


def test_every_file_that_is_compiled_counts_as_its_source():
    sources = {path for pattern in compiled.SOURCES for path in compiled.ROOT.glob(pattern)}
    uses = {p for p in compiled.ROOT.rglob("*.py") if "nsgf.compiled import" in p.read_text()}
    uses |= {p for p in compiled.ROOT.rglob("*.py") if "compiled.kernel" in p.read_text()}
    assert len(uses) > 3
    assert uses <= sources
    njit = {p for p in compiled.ROOT.rglob("*.py") if "njit(" in p.read_text()}
    assert njit <= sources


def test_a_compiler_does_not_outlive_its_job(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    job = subprocess.Popen([sys.executable, "-c", PROGRAM, "one"], env=environment)

    def alive() -> list[int]:
        return [p.pid for p in with_variable("NUMBA_CACHE_DIR", str(tmp_path))]

    wait_for(lambda: len(alive()) == 2)
    job.kill()
    job.wait()
    wait_for(lambda: alive() == [], 30)

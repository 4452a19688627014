"""The same bytes natively and on other processors, emulated: `make test-portable`.

A tiny run of every kind of artefact, with networks and clouds of points as wide as quick's. pytest
does not collect this file by itself: emulation takes minutes.
"""

import shutil
import subprocess
import sys

import pytest

from nsgf import numerics
from nsgf.artifact import SIDECAR, read_json
from tests.image_sets import image_set
from tests.tiny_run import PROGRAM
from tests.workflow.checkout import Checkout, both_kinds

EMULATOR = "qemu-x86_64"
CPUS = ("Haswell", "EPYC")


def whole() -> dict:
    """Moons and images, and the adaptive solver."""
    made = both_kinds("portable", samples=64)
    points, images = made["studies"]["table1"], made["studies"]["table3"]
    points["methods"]["adaptive"] = {"method": "fm", "sampling.solver": "dopri5"}
    points["train_seeds"], points["pool"]["batch_size"] = 1, 128
    points["networks"]["velocity"] |= {"iterations": 5, "batch_size": 256}
    for network in points["networks"].values():
        network["net"] |= {"width": 256}
    images["pool"]["batch_size"] = images["networks"]["classifier"]["batch_size"] = 64
    images["sampling"]["n_samples"] = 8
    # Not EfficientNet: the spectrum of its 1,280 features takes minutes, emulated.
    return made


def run(folder, cpu: str | None = None) -> Checkout:
    """All jobs in one process, on this processor or on an emulated one."""
    checkout = Checkout(folder, whole())
    image_set(folder / "data/processed", "mnist", (1, 28, 28), provenance=True)
    emulated = [EMULATOR, "-cpu", cpu] if cpu else []
    but = "fetch", "fetch-inception"
    bare = {n: v for n, v in checkout.environment.items() if n not in numerics.VARIABLES}
    result = subprocess.run(
        [*emulated, sys.executable, "-c", PROGRAM, "config/portable.yaml", *but],
        cwd=folder,
        env=bare,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return checkout


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Checkout:
    return run(tmp_path_factory.mktemp("native"))


@pytest.mark.skipif(not shutil.which(EMULATOR), reason="qemu-user is not installed (Debian has it)")
@pytest.mark.parametrize("cpu", CPUS)
def test_another_processor_makes_the_same_bytes(here, cpu, tmp_path):
    mine, theirs = (one.artefacts(provenance=False) for one in (here, run(tmp_path, cpu)))
    kinds = {path.split("/")[0] for path in mine}
    assert kinds >= {"pools", "models", "samples", "metrics", "tables", "figures"}
    assert mine.keys() == theirs.keys()
    assert [path for path in mine if mine[path] != theirs[path]] == []


def test_provenance_says_that_nothing_else_matters(here):
    keys = [read_json(path)["numerics"] for path in here.results.rglob(f"*{SIDECAR}")]
    assert keys
    assert all(k == {"mode": "portable", "device": "cpu", "arch": "x86_64"} for k in keys)

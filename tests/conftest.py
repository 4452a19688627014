"""Small runs that several test files share, and how files are spread over parallel workers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tests import spread, tiny_run
from tests.workflow.checkout import Checkout, planar

# No test is timed: others may load the machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

Watched = tuple[Checkout, list[dict], int]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return spread.scheduler(config, log)


def pytest_collection_modifyitems(config, items) -> None:
    if hasattr(config, "workerinput"):  # alone, cheap files come first, as they are collected
        items.sort(key=lambda item: spread.place(item.nodeid))


@pytest.fixture(scope="session")
def watched(tmp_path_factory) -> Watched:
    """A run of the 2-D study with one method, on a machine that was never timed; what `nsgf watch`
    said of it, and its exit code.
    """
    whole = planar("tiny", ["nsgf"], {"iterations": 200, "samples": 256}, train_seeds=1)
    velocity = whole["studies"]["table1"]["networks"]["velocity"]
    velocity |= {"iterations": 6000, "log_every": 10}
    checkout = Checkout(tmp_path_factory.mktemp("watched"), whole, quickly=True)
    checkout.timed.unlink()
    words = "--wait", "--json"
    watch = subprocess.Popen(
        [Path(sys.executable).parent / "nsgf", "watch", "--preset", "config/tiny.yaml", *words],
        cwd=checkout.folder,
        env=checkout.environment,
        text=True,
        stdout=subprocess.PIPE,
    )
    try:
        result = checkout.reproduce()
        said = watch.communicate(timeout=60)[0]
    finally:
        watch.kill()
    assert result.returncode == 0, result.stdout + result.stderr
    return checkout, [json.loads(line) for line in said.splitlines()], watch.returncode


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A finished tiny run; a test that alters a file of it puts it back."""
    return tiny_run.run(tmp_path_factory.mktemp("small"))

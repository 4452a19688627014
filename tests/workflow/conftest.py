"""A finished, published and archived run, shared by the tests that audit and restore it."""

import pytest

from nsgf import compiled
from tests.workflow.checkout import both_kinds
from tests.workflow.clone import Clone

REMOTE = "archive"
SMALL = {"name": "small", "samples": 16}  # what of quick is run


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Clone:
    """What a researcher leaves: a run, its record in the commit, its bytes in a remote."""
    compiled.ensure()  # the clone gets a copy, and its own clones one of that
    folder = tmp_path_factory.mktemp("published")
    clone = Clone(folder / "clone", both_kinds(**SMALL))
    clone.environment["NSGF_STORE"] = str(folder / "store")
    clone.dvc("repro")
    done = clone.nsgf("publish", "--preset", "config/small.yaml")
    assert done.returncode == 0, done.stderr
    clone.dvc("remote", "add", "--default", REMOTE, str(folder / "remote"))
    clone.commit("Publish")
    clone.dvc("push")
    return clone

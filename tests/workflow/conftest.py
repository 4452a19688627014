"""A finished, published and archived run, shared by the tests that audit and restore it."""

import pytest

from nsgf.ot import compiled
from tests.workflow.checkout import preset, shrink
from tests.workflow.clone import Clone

REMOTE = "archive"


def small() -> dict:
    """Quick's DAG on moons and MNIST, as small as it goes."""
    whole = shrink(preset("quick") | {"name": "small"}, samples=16)
    points, images = whole["studies"]["table1"], whole["studies"]["table3"]
    points |= {"datasets": ["moons"], "methods": ["nsgf", "nsgf-geomloss", "fm"]}
    whole["figures"]["figure3"] |= {"datasets": ["moons"], "methods": ["nsgf", "fm"]}
    del whole["figures"]["figure4"]  # as figure 3 to an audit
    whole["figures"]["targets"]["datasets"] = ["moons", "mnist"]
    images |= {"train_seeds": 1}
    images["metrics"]["features"] = ["classifier"]
    return whole


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Clone:
    """What a researcher leaves: a run, its record in the commit, its bytes in a remote."""
    compiled.ensure()  # the clone gets a copy, and its own clones one of that
    folder = tmp_path_factory.mktemp("published")
    clone = Clone(folder / "clone", small())
    clone.dvc("repro")
    done = clone.nsgf("publish", "--preset", "config/small.yaml")
    assert done.returncode == 0, done.stderr
    clone.dvc("remote", "add", "--default", REMOTE, str(folder / "remote"))
    clone.commit("Publish")
    clone.dvc("push")
    return clone

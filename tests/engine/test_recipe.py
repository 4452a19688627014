"""What runs again: all that rests on what a setting changes, and nothing for grouping."""

import pytest

from nsgf import registry
from nsgf.config.base import parse
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.errors import NsgfError
from tests.trials.house import small


def recipes(**study) -> dict[str, str]:
    """Recipe of the job behind each artefact."""
    preset = parse(small("mine", **study), Preset, "mine.yaml")
    return {path: job.recipe for job in jobs(preset) for path in job.artefacts}


@pytest.mark.parametrize(
    ("varied", "kind"), [("flow.blur", "/models/"), ("training.lr", "/samples/")]
)
def test_a_row_that_comes_to_share_an_older_pool_or_network_is_made_again(varied, kind):
    """Its files keep their names, and what they are made from is older than they are."""
    row = {"method": "nsgf", "sampling.n_samples": 32}
    row |= {"training.lr": 1e-4, "flow.blur": 0.9} if varied == "flow.blur" else {varied: 1e-4}
    before = recipes(methods={"nsgf": {}, "b": row})
    after = recipes(methods={"nsgf": {}, "b": {k: v for k, v in row.items() if k != varied}})
    mine = [p for p in before if kind in p and ("/b/" in p or ",b/" in p)]
    kept = [p for p in mine if p in after]
    assert kept
    assert all(before[p] != after[p] for p in kept)


def test_grouping_is_no_part_of_a_recipe():
    one, other = (recipes(resources={"train": {"units_per_job": k}}) for k in (1, 2))
    assert one == other


def test_no_entry_of_the_registry_takes_anothers_place():
    with pytest.raises(NsgfError, match="two entries 'moons' in DATASETS"):
        registry._add("DATASETS", {"moons": registry.DATASETS["scurve"]})

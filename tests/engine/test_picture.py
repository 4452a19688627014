"""`nsgf dag`: stages in the order of the data, with arrows from those just before."""

from pathlib import Path

import pytest

from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.ops import dag
from nsgf.registry import STAGES


@pytest.fixture(params=["quick", "paper"])  # in the second, jobs share sets of samples
def rows(request):
    return dag.summary(jobs(load(Path(f"config/{request.param}.yaml"), Preset)))


def test_an_arrow_comes_from_a_stage_that_no_other_stands_between(rows):
    before = dag.arrows(rows)
    assert before["sample"] == ["train"]  # which stands between samples and pools
    assert before["evaluate"][-1] in ("sample", "reference", "features")
    for stage, direct in before.items():
        assert all(STAGES.index(b) < STAGES.index(stage) for b in direct)


def test_the_picture_names_every_stage(rows, tmp_path):
    dag.draw(rows, tmp_path / "dag.svg")
    drawn = (tmp_path / "dag.svg").read_text()
    assert all(f"<!-- {stage}" in drawn for stage in rows)

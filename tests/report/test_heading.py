"""The heading of a paper's table over numbers that are measured in another way."""

from pathlib import Path

import pandas as pd
import pytest

from nsgf.config.published import published_of
from nsgf.stages.table import _heading

PRINTED = published_of(Path("config/published/nsgf.yaml")).tables


@pytest.mark.parametrize(
    ("table", "metric", "n", "alike"),
    [
        ("table1", "w2", 1024, True),
        ("table1", "w2", 200, False),
        ("table3", "fid", 10_000, True),
        ("table3", "fid", 1_000, False),
        ("table3", "fd_classifier", 10_000, False),
    ],
)
def test_it_is_the_papers_only_where_something_is_measured_like_it(table, metric, n, alike):
    rows = [(metric, n, 0.5), (PRINTED[table].metric, None, None)]  # the second was not run
    found = pd.DataFrame(rows, columns=["metric", "n_samples", "mean"])
    heading = _heading(PRINTED[table], found)
    assert (heading == PRINTED[table].title) == alike
    assert PRINTED[table].title in heading

"""The samples of a shard: whole batches, each in one shard."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsgf.errors import NsgfError
from nsgf.shards import shard_rows


@given(st.integers(1, 200), st.integers(1, 50), st.data())
def test_shards_part_a_set_where_its_batches_part(n, batch_size, data):
    batches = -(-n // batch_size)
    shards = data.draw(st.integers(1, batches))
    rows = [shard_rows(k, shards, n, batch_size) for k in range(shards)]
    assert rows[0].start == 0
    assert rows[-1].stop == n
    for one, following in itertools.pairwise(rows):
        assert one.stop == following.start
        assert one.stop % batch_size == 0
    sizes = [-(-(r.stop - r.start) // batch_size) for r in rows]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 1


@pytest.mark.parametrize(("shard", "shards"), [(0, 4), (2, 2), (-1, 2), (0, 0)])
def test_a_shard_that_does_not_exist_is_refused(shard, shards):
    with pytest.raises(NsgfError, match="take at most 3 shards"):
        shard_rows(shard, shards, n=10, batch_size=4)

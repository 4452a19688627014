"""Which samples of a set belong to one of the jobs that share it."""

from nsgf.errors import NsgfError

FEATURE_BATCH = 128  # images that enter a feature extractor together: part of a feature's last bits


def shard_rows(shard: int, shards: int, n: int, batch_size: int) -> slice:
    """Samples of the shard number `shard`, counted from 0, of `shards` shards of n samples.

    A shard begins and ends where a batch does, the last one with the set. So each batch holds the
    same samples however many shards there are, and what is computed from it has the same bytes.

    Raises:
        NsgfError: there is no such shard, or there are fewer batches than shards.
    """
    batches = -(-n // batch_size)
    if not 0 <= shard < shards <= batches:
        raise NsgfError(
            f"{n} samples in batches of {batch_size} have no shard {shard} of {shards}",
            f"take at most {batches} shards, and count them from 0",
        )
    first, end = (k * batches // shards * batch_size for k in (shard, shard + 1))
    return slice(first, min(end, n))

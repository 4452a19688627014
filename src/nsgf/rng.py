"""Named random streams, all derived from one seed.

A stream is a pure function of (seed, names): nothing depends on the order in which streams are
used, on how work is cut into jobs, or on where a killed run was resumed.
"""

import hashlib

import torch


def stream_seed(seed: int, *names: object) -> int:
    """A 63-bit integer from SHA-256 of the seed and the names."""
    text = "\x1f".join([str(int(seed)), *(str(name) for name in names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: object) -> torch.Generator:
    """A CPU generator for the stream `names` of `seed`.

    Draw on the CPU and move the result: the numbers are then the same on every device.
    """
    return torch.Generator().manual_seed(stream_seed(seed, *names))

"""Whether a file that was made again agrees with the first one, where numerics differ.

Sums in another order move a float32 by 1e-7 of its size; what a metric makes of that was measured
with every library's vector instructions narrowed (docs/audit.md).
"""

import math
import re
from pathlib import Path

RELATIVE, ABSOLUTE = 1e-4, 1e-5  # that two numbers may differ by, of the larger one and at all
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def agree(one: Path, other: Path) -> bool:
    """Whether two files hold the same but for numbers that are close.

    JSON is compared number by number, arrays entry by entry; anything else by its bytes.
    """
    if one.suffix == ".json":
        return _texts_agree(one.read_text(), other.read_text())
    if one.suffix in (".npy", ".npz"):
        return _arrays_agree(one, other)
    return one.read_bytes() == other.read_bytes()


def close(one: float, other: float) -> bool:
    """Whether two numbers are one but for rounding."""
    return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _texts_agree(one: str, other: str) -> bool:
    if NUMBER.split(one) != NUMBER.split(other):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(a == b or close(float(a), float(b)) for a, b in pairs)


def _arrays_agree(one: Path, other: Path) -> bool:
    import numpy as np

    from nsgf.artifact import read_npy, read_npz

    if one.suffix == ".npy":
        pairs = [(read_npy(one), read_npy(other))]
    else:
        with np.load(one, allow_pickle=False) as a, np.load(other, allow_pickle=False) as b:
            if a.files != b.files:
                return False
            names = a.files
        pairs = [(read_npz(one, name), read_npz(other, name)) for name in names]
    return all(
        a.shape == b.shape
        and a.dtype == b.dtype
        and np.allclose(a.astype(float), b.astype(float), rtol=RELATIVE, atol=_absolute(a))
        for a, b in pairs
    )


def _absolute(values) -> float:
    """An image's pixel may be rounded the other way; an array's zeros are as exact as its scale."""
    return 1.0 if values.dtype.kind in "iu" else max(ABSOLUTE, RELATIVE * float(abs(values).max()))

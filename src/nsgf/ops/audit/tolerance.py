"""Whether a file that was made again agrees with the first one, where numerics differ.

Sums in another order move a float32 by 1e-7 of its size; what a metric makes of that was measured
with every library's vector instructions narrowed (docs/audit.md).
"""

import math
import zlib
from pathlib import Path

from nsgf.artifact import read_json, read_npy, readable
from nsgf.errors import NsgfError

RELATIVE = 1e-4  # of the larger one, that two numbers may differ by
ABSOLUTE = 1e-5  # that they may differ by at all
# Of two velocities that are each solved to 1e-3: of a nearly exact one they are mere rounding.
SOLVED = 2e-3
# Nested beyond all bounds, of a size that no memory holds, or packed in another way than ours.
UNREADABLE = (NsgfError, RuntimeError, MemoryError, zlib.error)


def absolute(name: str) -> float:
    """What numbers of a stage, or of a table, may differ by at all."""
    return SOLVED if name in ("targets", "probe") else ABSOLUTE


def agree(one: Path, other: Path, at_all: float) -> bool:
    """Whether two files hold the same but for numbers that are close.

    JSON is compared value by value, arrays entry by entry; anything else by its bytes. What cannot
    be read agrees with nothing.
    """
    try:
        if one.suffix == ".json":
            return _values_agree(read_json(one), read_json(other), at_all)
        if one.suffix in (".npy", ".npz"):
            mine, theirs = _arrays(one), _arrays(other)
            return list(mine) == list(theirs) and all(
                _arrays_agree(array, theirs[name]) for name, array in mine.items()
            )
    except UNREADABLE:
        return False
    return one.read_bytes() == other.read_bytes()


def _values_agree(one: object, other: object, at_all: float) -> bool:
    """Floats within the tolerance; counts, words, truth values and the structure as they are."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            _values_agree(value, other[key], at_all) for key, value in one.items()
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(
            _values_agree(*pair, at_all) for pair in zip(one, other, strict=True)
        )
    if isinstance(one, float):
        alike = math.isclose(one, other, rel_tol=RELATIVE, abs_tol=at_all)
        return alike or (math.isnan(one) and math.isnan(other))
    return one == other


def _arrays(path: Path) -> dict:
    """The arrays in a file, by name; what an archive holds beside them is one of bytes."""
    import numpy as np

    if path.suffix == ".npy":
        return {"": read_npy(path)}
    with readable(f"'{path}'"), np.load(path, allow_pickle=False) as stored:
        return {name: np.asarray(values) for name, values in stored.items()}


def _arrays_agree(one, other) -> bool:
    """Floats within the tolerance, or that of the largest finite one, as exact as zeros are; pixels
    within 1, as one may be rounded the other way; all else as it is."""
    import numpy as np

    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype == np.uint8:
        return bool(np.all(abs(one.astype(int) - other) <= 1))
    if one.dtype.kind != "f":
        return one.tobytes() == other.tobytes()
    mine, theirs = one.astype(float), other.astype(float)
    largest = abs(mine).max(initial=0, where=np.isfinite(mine))
    at_all = max(ABSOLUTE, RELATIVE * float(largest))
    return np.allclose(mine, theirs, rtol=RELATIVE, atol=at_all, equal_nan=True)

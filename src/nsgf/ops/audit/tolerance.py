"""Whether a file that was made again agrees with the first one, where numerics differ.

Sums in another order move a float32 by 1e-7 of its size; what a metric makes of that was measured
with every library's vector instructions narrowed (docs/audit.md).
"""

import math
import re
from pathlib import Path

from nsgf.artifact import read_npy, readable
from nsgf.errors import NsgfError

RELATIVE = 1e-4  # of the larger one, that two numbers may differ by
ABSOLUTE = 1e-5  # that they may differ by at all
# Of two velocities that are each solved to 1e-3: of a nearly exact one they are mere rounding.
SOLVED = 2e-3
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def absolute(name: str) -> float:
    """What numbers of a stage, or of a table, may differ by at all."""
    return SOLVED if name == "targets" else ABSOLUTE


def agree(one: Path, other: Path, at_all: float) -> bool:
    """Whether two files hold the same but for numbers that are close.

    JSON is compared number by number, arrays entry by entry; anything else by its bytes.
    """
    if one.suffix == ".json":
        texts = (path.read_text(errors="replace") for path in (one, other))
        return _texts_agree(*texts, at_all)
    if one.suffix in (".npy", ".npz"):
        return _arrays_agree(one, other)
    return one.read_bytes() == other.read_bytes()


def _texts_agree(one: str, other: str, at_all: float) -> bool:
    if NUMBER.split(one) != NUMBER.split(other):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(
        a == b or math.isclose(float(a), float(b), rel_tol=RELATIVE, abs_tol=at_all)
        for a, b in pairs
    )


def _arrays_agree(one: Path, other: Path) -> bool:
    import numpy as np

    try:
        mine, theirs = map(_arrays, (one, other))
    except NsgfError:  # what cannot be read agrees with nothing
        return False
    return list(mine) == list(theirs) and all(
        a.shape == b.shape
        and a.dtype == b.dtype
        and np.allclose(a.astype(float), b.astype(float), rtol=RELATIVE, atol=_absolute(a))
        for a, b in zip(mine.values(), theirs.values(), strict=True)
    )


def _arrays(path: Path) -> dict:
    """The arrays in a file, by name."""
    import numpy as np

    if path.suffix == ".npy":
        return {"": read_npy(path)}
    with readable(f"'{path}'"), np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def _absolute(values) -> float:
    """An image's pixel may be rounded the other way; an array's zeros are as exact as its scale."""
    return 1.0 if values.dtype.kind in "iu" else max(ABSOLUTE, RELATIVE * float(abs(values).max()))

"""A set of samples on disk, and the parts that parallel jobs draw of it.

A set is .npy (samples), .npz (the whole path of its first few) and .json (its cost); a part is .npy
and .npz, which then holds the cost too, in numbers that add up.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from nsgf.artifact import atomic, read_npy, read_npz, write_json, write_npy
from nsgf.sample.cost import Cost
from nsgf.sample.run import Samples


def write_set(out: Path, parts: Sequence[Samples]) -> dict[str, float]:
    """Write consecutive parts as one set, beside `out` (.npy); returns its cost."""
    cost = Cost.total([part.cost for part in parts]).summary()
    with atomic(out) as temporary:
        write_npy(temporary, *(part.x.numpy() for part in parts))
    with atomic(out.with_suffix(".npz")) as temporary:
        np.savez(temporary, path=parts[0].path.numpy(), times=parts[0].times.numpy())
    write_json(out.with_suffix(".json"), cost)
    return cost


def write_part(out: Path, part: Samples) -> None:
    """Write a part of a set, beside `out` (.npy)."""
    with atomic(out) as temporary:
        write_npy(temporary, part.x.numpy())
    numbers = {"rows": part.cost.rows, "most": part.cost.most}
    arrays = {"handover": part.cost.handover, "path": part.path, "times": part.times}
    with atomic(out.with_suffix(".npz")) as temporary:
        np.savez(temporary, **numbers, **{name: a.numpy() for name, a in arrays.items()})


def read_part(path: Path) -> Samples:
    """What `write_part` wrote; the samples stay on disk until they are used."""
    x, beside = torch.from_numpy(read_npy(path, mapped=True)), path.with_suffix(".npz")
    handover, kept, times = (
        torch.from_numpy(read_npz(beside, name)) for name in ("handover", "path", "times")
    )
    rows, most = (int(read_npz(beside, name)) for name in ("rows", "most"))
    return Samples(x, Cost(len(x), rows, most, handover), kept, times)

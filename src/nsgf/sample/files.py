"""A set of samples on disk, and the parts that parallel jobs draw of it.

A set is .npy (samples), .npz (the whole path of its first few) and .json (its cost); a part is .npy
and .npz, which then holds the cost too, in numbers that add up.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from nsgf.artifact import atomic, read_npy, read_npz, write_json, write_npy
from nsgf.sample.run import Batch, total


def write_set(out: Path, parts: Sequence[Batch]) -> dict[str, float]:
    """Write consecutive parts as one set, beside `out` (.npy).

    Returns: its cost: mean and largest NFE, and where there is a hand-over its time and its own
    evaluations.
    """
    whole, n = total(parts), sum(len(part.x) for part in parts)
    cost = {"nfe": whole["rows"] / n, "nfe_max": whole["most"]}
    if len(whole["handover"]):
        mean, sd = float(whole["handover"].mean()), float(whole["handover"].std())
        cost |= {"handover_mean": mean, "handover_sd": sd, "predictor_evaluations": 1.0}
    with atomic(out) as temporary:
        write_npy(temporary, *(part.x.numpy() for part in parts))
    with atomic(out.with_suffix(".npz")) as temporary:
        np.savez(temporary, path=whole["path"].numpy(), times=whole["times"].numpy())
    write_json(out.with_suffix(".json"), cost)
    return cost


def write_part(out: Path, part: Batch) -> None:
    """Write a part of a set, beside `out` (.npy)."""
    with atomic(out) as temporary:
        write_npy(temporary, part.x.numpy())
    with atomic(out.with_suffix(".npz")) as temporary:
        np.savez(temporary, **{name: np.asarray(value) for name, value in total([part]).items()})


def read_part(path: Path) -> Batch:
    """What `write_part` wrote; the samples stay on disk until they are used."""
    beside = path.with_suffix(".npz")
    tensors = (torch.from_numpy(read_npz(beside, name)) for name in ("handover", "path", "times"))
    rows, most = (int(read_npz(beside, name)) for name in ("rows", "most"))
    return Batch(torch.from_numpy(read_npy(path, mapped=True)), rows, most, *tensors)

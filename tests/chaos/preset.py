"""A preset whose run takes half a minute and has something to hit in every stage."""

from tests.workflow.checkout import preset, shrink

NAME = "chaos"


def tiny(short: bool = False) -> dict:
    """Two methods on moons: the pool in two shards, steps that last, and many resume points.

    Args:
        short: a quarter of the work, for a campaign that is itself a test.
    """
    part = 4 if short else 1
    whole = shrink(preset("quick") | {"name": NAME, "figures": {}}, samples=2048 // part)
    points = whole["studies"]["table1"]
    flow = points["trajectories"]["t10"]
    pool = flow["pool"] | {"batch_size": 256, "batches": 128 // part, "shards": 2}
    points |= {"datasets": ["moons"], "methods": ["nsgf", "fm"], "train_seeds": 1}
    points |= {"targets": None, "trajectories": {"t10": flow | {"pool": pool}}}
    points["networks"] = {
        name: points["networks"][name]
        | {"iterations": 4000 // part, "checkpoint_every": 200, "log_every": 100, "batch_size": 64}
        for name in ("velocity", "straight")
    }
    points["networks"]["straight"]["net"] = points["networks"]["velocity"]["net"] | {"width": 64}
    points["sampling"] |= {"batch_size": 64}
    points["resources"] = {
        "pool": {"units_per_job": 1, "mem_mb": 1500, "runtime_min": 10},
        "train": {"units_per_job": 1, "mem_mb": 1500, "runtime_min": 10},
        "sample": {"units_per_job": 2, "mem_mb": 1500, "runtime_min": 10},
        "reference": {"units_per_job": 2, "mem_mb": 1500, "runtime_min": 10},
        "evaluate": {"units_per_job": 2, "mem_mb": 1500, "runtime_min": 10},
    }
    return whole | {"studies": {"table1": points}}

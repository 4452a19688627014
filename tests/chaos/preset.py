"""A preset whose run takes half a minute and has something to hit in every stage."""

from tests.workflow.checkout import planar

NAME = "chaos"


def tiny(short: bool = False) -> dict:
    """Two methods on moons: the pool in two shards, steps that last, and many resume points.

    Args:
        short: a quarter of the work, for a campaign that is itself a test.
    """
    part = 4 if short else 1
    whole = planar(NAME, ["nsgf", "fm"], {"samples": 2048 // part}, train_seeds=1)
    points = whole["studies"]["table1"]
    points["pool"] |= {"batch_size": 256, "batches": 128 // part, "shards": 2}
    long = {"iterations": 4000 // part, "checkpoint_every": 200, "log_every": 100, "batch_size": 64}
    for name in ("velocity", "straight"):
        points["networks"][name] |= long
    points["networks"]["straight"]["net"] |= {"width": 64}
    points["sampling"] |= {"batch_size": 64}
    points["resources"] = {
        stage: {"units_per_job": units, "mem_mb": 1500, "runtime_min": 10}
        for stage, units in {
            "pool": 1,
            "train": 1,
            "sample": 2,
            "reference": 2,
            "evaluate": 2,
        }.items()
    }
    return whole

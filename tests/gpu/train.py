"""`python -m tests.gpu.train FOLDER DEVICE STEPS DIE_AT`: a training as a job does it, by hand.

The paper's MNIST velocity network (a narrow one on a CPU) on flows that are made as it goes, from a
small image set in FOLDER. At step DIE_AT the process kills itself; -1 lets it end.
"""

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

from nsgf import numerics
from nsgf.config.compute import Compute
from nsgf.config.pool import PoolStage
from nsgf.config.train import TrainStage
from nsgf.stages import train
from nsgf.train.learner import Regression
from tests.gpu.pieces import training
from tests.image_sets import image_set


def main(folder: Path, device: str, steps: int, die_at: int) -> None:
    data = folder / "data"
    if not data.exists():
        image_set(data, "mnist", (1, 28, 28))
    compute, real = Compute(device=device, numerics=numerics.asked()), Regression.step

    def step(self, k, numbers):
        if k == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, k, numbers)

    Regression.step = step
    settings = {"checkpoint_every": 10, "log_every": 5, "iterations": steps}
    pool = {"batch_size": 32, "batches": 8, "window": 4, "storage": "streaming"}
    flow = {"steps": 5, "step_size": 0.2, "blur": 1.0}
    stage = TrainStage(
        seed=0,
        network="velocity",
        training=training("table3", "velocity", **settings),
        compute=compute,
        streaming=PoolStage(seed=0, flow=flow, pool=pool, compute=compute),
    )
    files = SimpleNamespace(
        inputs={"data": sorted(data.glob("mnist/*.npy"))},
        outputs={"model": folder / "net.safetensors", "curve": folder / "net.csv"},
        state=folder,
    )
    print(train.make(stage, {"dataset": "mnist", "seed": 0}, files))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))

"""The same bytes whether kernels were compiled a moment ago or long since, in any order of use."""

import os
import subprocess
import sys

from tests.slurm.use import with_variable
from tests.workflow.checkout import wait_for

PROGRAM = """
import hashlib, sys, torch
from nsgf.ot import kernels, velocity
torch.manual_seed(0)
x, y = torch.randn(3, 24, 5), torch.randn(3, 24, 5) + 1
one = lambda: [velocity(x[k], y[k], 0.5).v for k in range(3)]
batch = lambda: [*velocity(x, y, 0.5).v]
order = {"one": one, "batch": batch}
found = {name: order[name]() for name in sys.argv[1:]}
for name in sorted(found):
    print(name, hashlib.sha256(torch.stack(found[name]).numpy().tobytes()).hexdigest())
every = vars(kernels).values()
print("compiled here", sum(len(k.stats.cache_misses) for k in every if hasattr(k, "stats")))
"""


def told(cache, *order: str) -> str:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, *order], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_first_run_on_a_machine_has_the_bytes_of_all_later_ones(tmp_path):
    first = told(tmp_path, "one", "batch")
    assert "compiled here 0" in first
    assert told(tmp_path, "one", "batch") == first
    assert told(tmp_path, "batch", "one") == first
    lines = dict(line.split() for line in first.splitlines()[:2])
    assert lines["one"] == lines["batch"]


def test_a_compiler_does_not_outlive_its_job(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    job = subprocess.Popen([sys.executable, "-c", PROGRAM, "one"], env=environment)

    def alive() -> list[int]:
        return [p.pid for p in with_variable("NUMBA_CACHE_DIR", str(tmp_path))]

    wait_for(lambda: len(alive()) == 2)
    job.kill()
    job.wait()
    wait_for(lambda: alive() == [], 30)

"""docs/tutorial.md, run from its first block to its last as a reader would."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCKS = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_the_tutorial_runs_and_draws_its_figures(tmp_path):
    blocks = BLOCKS.findall((ROOT / "docs/tutorial.md").read_text())
    program = "\n".join(["import matplotlib", "matplotlib.use('Agg')", *blocks])
    (tmp_path / "tutorial.py").write_text(program)
    result = subprocess.run(
        [sys.executable, "tutorial.py"],
        cwd=tmp_path,
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT / "src"),
            "NSGF_STATE": str(tmp_path / "state"),
            "OMP_NUM_THREADS": "1",  # other tests run beside this one
        },
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert "(200, 4)" in result.stdout
    made = {path.name for path in tmp_path.iterdir()}
    assert {"wine.png", "speed.png", "ring.png", "wine.nsgf"} <= made
    radius = float(re.search(r"radius ([\d.]+)", result.stdout)[1])
    assert abs(radius - 3**-0.5) < 0.02

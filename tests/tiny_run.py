"""The smallest finished run that has every kind of planar artefact, for tests that read one.

Its jobs run one after the other in one process, which saves each the import of torch; what
Snakemake adds, a benchmark file a job, is written beside them. They run in an environment that
holds secrets, as a cluster user's does: no file may repeat them.
"""

import subprocess
from pathlib import Path

from tests.workflow.checkout import ROOT, Checkout, planar, preset

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
    "GITHUB_TOKEN": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "DB_PASSWORD": "correct-horse-battery",
}
REST = ("src", "requirements", "pyproject.toml", "Makefile", "LICENSE", "README.md", "CITATION.cff")
PROGRAM = """
import sys, time
from pathlib import Path
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs, write_snapshot
from nsgf.engine.make import make
from nsgf.errors import NsgfError
from nsgf.threads import set_threads

preset = load(sys.argv[1], Preset)
write_snapshot(preset)
set_threads(1)
for job in (j for j in jobs(preset) if j.stage not in sys.argv[2:]):
    start = time.time()
    try:
        make(job.tasks)
    except NsgfError as error:
        sys.exit(f"{job.name}: {error}")
    timing = Path(f"results/{preset.name}/timings/{job.name}.tsv")
    timing.parent.mkdir(parents=True, exist_ok=True)
    timing.write_text(f"s\\tmax_rss\\n{time.time() - start:.4f}\\t400.00\\n")
"""


def small() -> dict:
    """Moons, two methods, one figure."""
    whole = planar("small", ["nsgf", "fm"])
    figure = preset("quick")["figures"]["figure3"] | {"datasets": ["moons"]}
    return whole | {"figures": {"figure3": figure | {"methods": ["nsgf", "fm"]}}}


def run(folder: Path) -> Checkout:
    """A finished run, with the whole work tree beside it."""
    checkout = Checkout(folder, small(), quickly=True)
    for name in REST:
        (folder / name).symlink_to(ROOT / name)
    checkout.environment |= SECRETS
    result = subprocess.run(
        [checkout.scripts / "nsgf", "-c", PROGRAM, "config/small.yaml"],
        cwd=folder,
        env=checkout.environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return checkout

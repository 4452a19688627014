"""Checkouts that run on a test cluster, and the processes that use one."""

from pathlib import Path

import psutil
import yaml

from tests.slurm.cluster import Cluster
from tests.workflow.checkout import ROOT, Checkout

PROFILE = ("--profile", "profiles-of-mine")


def on_slurm(folder: Path, whole: dict, cluster: Cluster, retries: int = 0, **settings) -> Checkout:
    """A checkout with a profile of its own, made of ours."""
    checkout = Checkout(folder, whole)
    checkout.environment |= cluster.environment
    profile = folder / "profiles-of-mine"
    profile.mkdir()
    ours = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    quick = {"slurm-init-seconds-before-status-checks": 2, "latency-wait": 10, "retries": retries}
    (profile / "config.yaml").write_text(yaml.safe_dump(ours | quick))
    (profile / "cluster.yaml").write_text(yaml.safe_dump({"cluster": settings}))
    return checkout


def users_of(folder: Path) -> list[psutil.Process]:
    """Processes of a cluster: its daemons, its jobs and its clients."""
    return with_variable("SLURM_CONF", f"{folder}/slurm.conf")


def with_variable(name: str, value: str) -> list[psutil.Process]:
    """Live processes that have an environment variable of that value."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(name) == value:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found

"""The Debian packages of a SLURM without accounting: are they here, and can they be had?"""

import os
import shutil
import subprocess

from nsgf.errors import NsgfError

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "munge")
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol", "unshare", "setpriv")
APART = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
# Without a run level, Debian's maintainer scripts start no service.
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}


def require() -> None:
    """Install what is missing.

    Raises:
        NsgfError: a cluster cannot be started here, or its packages cannot be installed.
    """
    if os.geteuid():
        raise NsgfError("a test cluster needs root", "run the tests as root, as in a container")
    if missing():
        _install()
    if subprocess.run([*APART, "true"], capture_output=True).returncode:
        raise NsgfError(
            "this machine allows no private namespaces (unshare)",
            "run the tests on a machine, or in a container, that does",
        )


def missing() -> list[str]:
    """Programs that a cluster needs and this machine lacks."""
    return [name for name in PROGRAMS if not shutil.which(name)]


def _install() -> None:
    if not shutil.which("apt-get"):
        raise NsgfError(f"{', '.join(missing())} missing", "install SLURM and munge")
    install = ["install", "-y", "--no-install-recommends", *PACKAGES]
    done = _apt("update") and _apt(*install)
    if not done or missing():
        raise NsgfError(
            "SLURM's packages cannot be installed here", f"apt-get {' '.join(install)}, as root"
        )


def _apt(*words: str) -> bool:
    command = ["apt-get", "-qq", *words]
    return subprocess.run(command, env=os.environ | QUIET, capture_output=True).returncode == 0

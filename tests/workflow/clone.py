"""A whole checkout of the project in a temporary folder, under git, as a stranger has it."""

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests import warm
from tests.workflow.checkout import PATIENCE, ROOT, Checkout

HELD = ("Snakefile", "Makefile", "README.md", "environment.yml", "pyproject.toml", "dvc.yaml")
FOLDERS = ("workflow", "src", "config", "profiles", "requirements")
WHO = ("-c", "user.name=test", "-c", "user.email=test@localhost")


class Clone(Checkout):
    """A git repository with the code, one preset, and the environment of the running tests.

    Its jobs are forks of a process that has their libraries (tests/warm.py), which are `portable`;
    those of a clone that is not made `quickly` are processes of their own.
    """

    def __init__(self, folder: Path, whole: dict, quickly: bool = True):
        folder.mkdir(parents=True, exist_ok=True)
        skip = shutil.ignore_patterns("*.egg-info")  # compiled kernels come along
        for name in HELD:
            shutil.copy2(ROOT / name, folder / name)
        for name in FOLDERS:
            shutil.copytree(ROOT / name, folder / name, ignore=skip)
        shutil.copy2(ROOT / ".dvcignore", folder / ".dvcignore")
        (folder / f"config/{whole['name']}.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
        pipeline = (folder / "dvc.yaml").read_text()
        (folder / "dvc.yaml").write_text(
            pipeline.replace("preset: quick", f"preset: {whole['name']}")
        )
        shutil.copy2(ROOT / ".gitignore", folder / ".gitignore")
        self._enter(folder, whole["name"], quickly)
        self.git("init", "--quiet", "--initial-branch=main")
        self.dvc("init", "--quiet")
        self.dvc("config", "core.analytics", "false")
        self.commit("Start")

    @classmethod
    def of(cls, other: "Clone", folder: Path) -> "Clone":
        """A fresh clone of another one: what git holds, and nothing else."""
        # Hard links would let a test that damages its clone damage the other one too.
        words = ["git", "clone", "--quiet", "--no-hardlinks", str(other.folder), str(folder)]
        subprocess.run(words, check=True, capture_output=True)
        # With their time stamps, for which alone the compiled kernels beside them are valid.
        shutil.copytree(other.folder / "src", folder / "src", dirs_exist_ok=True)
        clone = cls.__new__(cls)
        clone._enter(folder, other.name)
        return clone

    @classmethod
    def copy(cls, other: "Clone", folder: Path) -> "Clone":
        """All that lies in another one, with its time stamps, for a test that alters it."""
        shutil.copytree(other.folder, folder, symlinks=True)
        clone = cls.__new__(cls)
        clone._name(folder, other.name)
        return clone

    def _name(self, folder: Path, name: str) -> None:
        self.folder, self.name, self.scripts = folder, name, folder / ".venv/bin"
        self.environment = self._environment()
        self.environment["PYTHONPATH"] = str(folder / "src")

    def _enter(self, folder: Path, name: str, quickly: bool = True) -> None:
        """Names, environment and a .venv that leads to the running one."""
        self._name(folder, name)
        self.tell_speed()
        (folder / ".venv").mkdir()
        environment = warm.scripts().parent if quickly else Path(sys.prefix)
        for part in ("bin", "lib", "pyvenv.cfg"):
            (folder / ".venv" / part).symlink_to(environment / part)
        (folder / ".venv/.ready").touch()  # newer than the locks: `make` has nothing to install

    def git(self, *words: str) -> str:
        """A git command's output."""
        command = ["git", *WHO, *words]
        return subprocess.run(
            command, cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, subject: str) -> str:
        """Commit everything; returns the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        return self.git("rev-parse", "HEAD")

    def dvc(self, *words: str, check: bool = True) -> subprocess.CompletedProcess:
        """A DVC command."""
        result = subprocess.run(
            [self.scripts / "python", "-m", "dvc", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result

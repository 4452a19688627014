"""A copy of the project to which a test adds files and lines, as somebody who extends it would."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests import tiny_run
from tests.workflow.checkout import ROOT, Checkout

REGISTRY = "src/nsgf/registry.py"


class House(Checkout):
    """A checkout with a package of its own.

    Attributes:
        added: files that a trial wrote. lines: lines that it put elsewhere.
    """

    def __init__(self, folder: Path, whole: dict):
        super().__init__(folder, whole, quickly=True)
        shutil.copytree(
            # With the compiled kernels, which take a minute.
            ROOT / "src/nsgf",
            folder / "src/nsgf",
            ignore=shutil.ignore_patterns("*.pyc"),
        )
        self.environment["PYTHONPATH"] = str(folder / "src")
        self.added, self.lines = [], 0

    def add(self, path: str, text: str) -> None:
        """A new file."""
        target = self.folder / path
        assert not target.exists(), path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        self.added.append(path)

    def line(self, table: str, text: str) -> None:
        """A line at the head of a table of the registry."""
        assert "\n" not in text
        path, head = self.folder / REGISTRY, f"\n{table} = {{\n"
        assert path.read_text().count(head) == 1, table
        path.write_text(path.read_text().replace(head, f"{head}    {text}\n"))
        self.lines += 1

    def run(self, but: tuple[str, ...] = ()) -> None:
        """All jobs but those of some stages, one after the other in one process."""
        words = "-c", tiny_run.PROGRAM, f"config/{self.name}.yaml", *but
        self._said(str(self.scripts / "nsgf"), *words)

    def python(self, program: str, *words: str) -> str:
        """What a program prints that sees this house's package."""
        return self._said(sys.executable, "-c", program, *words)

    def _said(self, *command: str) -> str:
        result = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
        return result.stdout

    def rows(self, table: str) -> list[dict]:
        """A table's rows that hold numbers of ours."""
        with (self.results / f"tables/{table}.csv").open() as file:
            return [row for row in csv.DictReader(file) if row["mean"]]


def small(name: str, **study) -> dict:
    """A preset with one study of moons, to be changed."""
    whole = tiny_run.small() | {"name": name, "figures": {}}
    whole["studies"]["table1"] |= {"paper": None} | study
    return yaml.safe_load(yaml.safe_dump(whole, sort_keys=False))

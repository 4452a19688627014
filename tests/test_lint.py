"""The tree is clean by its own linters, called as `make lint` calls them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMANDS = [
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["snakefmt", "--check", "Snakefile", "workflow"],
    ["snakemake", "--lint"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_linter_has_no_complaint(command):
    program = Path(sys.executable).with_name(command[0])
    result = subprocess.run(
        [str(program), *command[1:]], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"


FILES = re.compile(r"```python\n# (src/\S+\.py)\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize(
    ("path", "text"), FILES.findall((ROOT / "docs/extend.md").read_text()), ids=lambda v: v[:24]
)
def test_a_file_that_a_page_tells_to_write_is_clean(path, text):
    ruff = str(Path(sys.executable).with_name("ruff"))
    for words in (["check"], ["format", "--check"]):
        command = [ruff, *words, "--no-cache", "--stdin-filename", path, "-"]
        result = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr

"""What is started warm is told apart by its speed alone."""

import json
import os
import signal
import subprocess

import psutil
import pytest

from tests import warm
from tests.workflow.checkout import ROOT, wait_for

SHOW = """
import json, os, sys
print(json.dumps([sys.argv, os.getcwd(), dict(os.environ), sys.stdin.read()]))
print("aside", file=sys.stderr)
"""


def started(*words: str, **about) -> subprocess.CompletedProcess:
    return subprocess.run(
        [warm.scripts() / "nsgf", *words], text=True, capture_output=True, **about
    )


def test_words_folder_environment_and_streams_arrive(tmp_path):
    environment = {"A": "é", "PYTHONPATH": str(tmp_path)}
    result = started("-c", SHOW, "x", "", cwd=tmp_path, env=environment, input="given")
    words, folder, seen, read = json.loads(result.stdout)
    assert (words, folder, read) == (["-c", "x", ""], str(tmp_path), "given")
    assert {name: seen[name] for name in environment} == environment
    assert "HOME" not in seen
    assert result.stderr == "aside\n"


def test_the_package_is_the_one_that_the_environment_names_and_none_is_there_before(tmp_path):
    (tmp_path / "nsgf").mkdir()
    (tmp_path / "nsgf/__init__.py").write_text("print('mine')")
    program = "import sys; print('nsgf' in sys.modules, 'torch' in sys.modules); import nsgf"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    assert started("-c", program, env=environment).stdout == "False True\nmine\n"


@pytest.mark.parametrize(
    ("program", "code", "says"),
    [
        ("pass", 0, ""),
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("import os; os.kill(os.getpid(), 9)", 128 + signal.SIGKILL, ""),
    ],
)
def test_it_ends_as_the_program_does(program, code, says):
    result = started("-c", program)
    assert result.returncode == code
    assert result.stderr.endswith(says)


def test_a_mistake_is_one_message():
    result = started("make", "nothing", cwd=ROOT)
    assert result.returncode == 1
    assert result.stderr.startswith("nsgf: 'nothing'")
    assert "Traceback" not in result.stderr


def test_the_program_dies_with_its_client(tmp_path):
    begun = tmp_path / "begun"
    program = f"import os, pathlib; pathlib.Path('{begun}').write_text(str(os.getpid())); input()"
    words = [warm.scripts() / "nsgf", "-c", program]
    client = subprocess.Popen(words, stdin=subprocess.PIPE)
    pid = int(wait_for(lambda: begun.exists() and begun.read_text()))
    assert psutil.pid_exists(pid)
    client.kill()
    client.wait()
    wait_for(lambda: not psutil.pid_exists(pid), 10)

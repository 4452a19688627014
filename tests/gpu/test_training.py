"""Training on the device: two runs, and one that was killed on the way, end in the same bytes."""

import signal
import subprocess
import sys

import pytest

from nsgf.train.loop import CHECKPOINT


@pytest.fixture
def run(device, tmp_path):
    """A training in a process of its own; what it ends in, or how it ended."""
    steps = 50 if device.type == "cuda" else 16

    def train(name: str, die_at: int = -1):
        folder = tmp_path / name
        words = [str(folder), device.type, str(steps), str(die_at)]
        command = [sys.executable, "-m", "tests.gpu.train", *words]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode == -signal.SIGKILL and die_at >= 0:
            return folder
        assert result.returncode == 0, result.stdout + result.stderr
        files = sorted(folder.glob("net.*"))
        assert [file.suffix for file in files] == [".csv", ".safetensors"]
        return [file.read_bytes() for file in files], result.stdout

    return train


def test_two_runs_and_one_that_was_killed_end_in_the_same_bytes(run):
    bytes_of_one, _ = run("one")
    assert run("another")[0] == bytes_of_one
    folder = run("killed", die_at=14)
    assert (folder / CHECKPOINT).exists()
    resumed, said = run("killed")
    assert "at step 10" in said
    assert resumed == bytes_of_one

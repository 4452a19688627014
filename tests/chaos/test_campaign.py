"""The campaign in small, and proof that each of its checks can fail."""

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter

import pytest

from tests.chaos import attempts, checks
from tests.chaos.attempts import Run
from tests.chaos.disturb import disturb
from tests.chaos.faults import BOTH, ON_SLURM
from tests.chaos.plan import LOCAL, MOST, SLURM, plan
from tests.chaos.preset import tiny
from tests.slurm.use import with_variable
from tests.workflow.checkout import ROOT, Checkout, wait_for


def test_three_faults_on_this_machine_change_nothing(tmp_path):
    campaign = [sys.executable, "-m", "tests.chaos.campaign"]
    command = [*campaign, "--local", "--short", "--kills", "3", "--seed", "2"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "TMPDIR": str(tmp_path)}
    report = tmp_path / "faults.json"
    result = subprocess.run(
        [*command, "--json", str(report)], cwd=ROOT, env=environment, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    body = json.loads(report.read_text())
    assert len(body["faults"]) == 3
    assert all(fault["survived"] and fault["stage"] for fault in body["faults"])
    assert "All survived." in result.stdout
    assert list(tmp_path.iterdir()) == [report]


@pytest.fixture
def finished(tmp_path, monkeypatch) -> Run:
    """A run that has ended well, as far as the checks can tell."""
    monkeypatch.setattr(attempts, "GRACE", 0.5)
    checkout = Checkout(tmp_path / "run", tiny())
    for folder in (checkout.results / "tables", checkout.folder / ".snakemake/locks"):
        folder.mkdir(parents=True)
    (checkout.results / "tables/table1.csv").write_text("1\n")
    return Run(checkout, None, None)


def found(run: Run) -> list[str]:
    return checks.wrong(run, {"tables/table1.csv": b"1\n"})


def test_a_good_end_is_no_finding(finished):
    assert found(finished) == []


def test_an_orphan_is_found(finished):
    state = {"NSGF_STATE": str(finished.checkout.folder / "state")}
    orphan = subprocess.Popen(["sleep", "600"], env=os.environ | state)
    try:
        wait_for(finished.processes)
        assert found(finished) == [f"orphan {orphan.pid}: sleep"]
    finally:
        orphan.kill()
        orphan.wait()


def test_a_lock_that_was_left_is_found(finished):
    (finished.checkout.folder / ".snakemake/locks/0.input.lock").touch()
    assert found(finished) == ["lock 0.input.lock"]


def test_a_lock_that_is_held_is_found(finished):
    with (finished.checkout.folder / ".snakemake/reproduce.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert found(finished) == ["reproduce.lock is held"]


def test_other_bytes_are_found(finished):
    (finished.checkout.results / "tables/table1.csv").write_text("2\n")
    assert found(finished) == ["tables/table1.csv has other bytes"]


def test_files_of_one_run_alone_are_found(finished):
    table = finished.checkout.results / "tables/table1.csv"
    table.rename(table.with_name("table2.csv"))
    assert found(finished) == [
        "tables/table1.csv missing",
        "tables/table2.csv made by nobody",
    ]


def test_what_was_never_finished_is_found(finished):
    temporary = finished.checkout.results / ".table1.7.tmp.csv"
    temporary.touch()
    (finished.checkout.folder / "state/0123").mkdir(parents=True)
    assert found(finished) == [
        f"{temporary.relative_to(finished.checkout.results)} made by nobody",
        "state 0123",
        f"temporary file {temporary}",
    ]


def test_what_the_user_should_not_see_is_found(finished):
    finished.trouble.append("attempt 2 hung")
    assert found(finished) == ["attempt 2 hung"]


FIRST_STOPPED = """
test -e began && exit 0
trap 'rm job state/pool/x.npy; exit 130' TERM
touch began job
while :; do sleep .05; done
"""
FIRST_STOPS = "test -e began && exit 0; touch began; exit 130"


@pytest.mark.parametrize(("script", "troubles"), [(FIRST_STOPPED, 0), (FIRST_STOPS, 1)])
def test_only_an_end_that_nobody_asked_for_is_trouble(finished, monkeypatch, script, troubles):
    """A job that is stopped to cut what it keeps may drop that as it ends."""
    folder = finished.checkout.folder
    kept = folder / "state/pool/x.npy"
    kept.parent.mkdir(parents=True)
    kept.write_text("state")
    monkeypatch.setattr(finished.checkout, "command", lambda *_: ["sh", "-c", script])
    monkeypatch.setattr(finished, "stages", lambda: ["pool"] * (folder / "job").exists())
    kinds, draw = ["checkpoint cut"], random.Random(0)
    assert disturb(finished, LOCAL, 1, kinds, 0, draw, print) == ([], kinds)
    assert (finished.attempts, len(finished.trouble)) == (2, troubles)


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_strikes_at_least_twice_and_no_run_too_often(seed):
    runs = plan(30, random.Random(seed), slurm=True, full_disk=True)
    count = Counter((run.where, kind) for run in runs for kind in run.kinds)
    assert sum(count.values()) == 30
    assert max(len(run.kinds) for run in runs) <= MOST
    assert min(count[LOCAL, kind] for kind in BOTH) >= 2
    assert min(count[SLURM, kind] for kind in BOTH) >= 1
    assert min(count[SLURM, kind] for kind in ON_SLURM) >= 2


def test_the_seed_fixes_the_plan():
    one, same, other = (plan(30, random.Random(seed), True, True) for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_the_driver(tmp_path, number):
    """A signal to it alone, as from a scheduler or a broken connection."""
    checkout = Checkout(tmp_path, tiny())
    run = checkout.start()
    wait_for(checkout.jobs)
    run.send_signal(number)
    said, _ = run.communicate(timeout=30)
    wait_for(lambda: not with_variable("NSGF_STATE", str(tmp_path / "state")), 10)
    if number == signal.SIGTERM:
        assert run.returncode == 130
        assert "What is done is kept" in said

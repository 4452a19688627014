"""`nsgf watch`: logs are read as they are, half-written and killed ones too."""

import json
import subprocess

import pytest

from nsgf.cli import main
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.ops.watch.events import read_events
from nsgf.ops.watch.signs import Bar, Queued, last_bar, parse_queue, squeue, tail
from nsgf.ops.watch.state import STATES
from tests.workflow.checkout import Checkout

BARS = (
    "\rvelocity mnist seed 0:   0%|          | 0/300 [00:00<?, ?it/s]"
    "\rvelocity mnist seed 0:  11%|█▏        | 32/300 [00:10<01:24,  3.19it/s, loss=0.519]"
)
LOG = """Job stats:
job        count
-------  -------
a              1
b              1
c              1
total          3

[Sun Nov 22 20:42:13 2026]
localrule a:
    input: x
[Sun Nov 22 20:42:14 2026]
Finished jobid: 36 (Rule: a)
1 of 3 steps (33%) done
[Sun Nov 22 20:42:20 2026]
rule b:
[Sun Nov 22 20:42:30 2026]
Error in rule b:
    jobid: 2
"""


def test_the_last_bar_of_a_log_is_read():
    assert last_bar(BARS) == Bar("velocity mnist seed 0", 32, 300, 3.19, 0.519)
    assert last_bar(BARS.split("\r")[1]).rate is None
    assert last_bar("straight:   1%| | 1/99 [00:10<02:03, 4.0s/it, loss=nan]").rate == 0.25


def test_a_half_written_bar_and_an_extractors_are_passed_over():
    assert last_bar(BARS[:-9]).step == 0
    inner = "\rclassifier:  50%|█ | 500/1000 [00:01<00:01, 812.2img/s]"
    assert last_bar(BARS + inner).step == 32
    assert last_bar("nsgf: no such file") is None


def test_only_the_end_of_a_log_is_read(tmp_path):
    (tmp_path / "a.log").write_text("x" * 200_000 + BARS)
    assert last_bar(tail(tmp_path / "a.log")).step == 32
    assert tail(tmp_path / "b.log") == ""


def test_snakemakes_log_says_what_began_finished_and_failed():
    events = read_events(LOG)
    assert events.wanted >= {"a", "b", "c"}
    assert events.ended == {"a": True, "b": False}
    assert events.begun["b"] - events.begun["a"] == 7


def test_a_job_that_is_tried_again_is_not_failed():
    again = LOG + "Trying to restart job 2.\n[Sun Nov 22 20:42:31 2026]\nrule b:\n"
    assert read_events(again).ended == {"a": True}
    assert read_events(again[:-1]).ended == {"a": True, "b": False}  # the line has not ended


def test_the_queue_is_read_by_rule():
    text = (
        "7|RUNNING|node1|None|rule_moons-train-straight-0\n"
        "8|PENDING||Resources|rule_mnist-train-phase-0_wildcards_x\n"
        "9|RUNNING|node2|None|my own\n10|RUNN"
    )
    assert parse_queue(text) == {
        "moons-train-straight-0": Queued("RUNNING", "node1"),
        "mnist-train-phase-0": Queued("PENDING", "(Resources)"),
    }


def test_no_slurm_is_an_empty_queue(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert squeue() == {}


def test_a_run_is_followed_from_before_its_beginning_to_its_end(watched):
    checkout, lines, code = watched
    assert code == 0
    states = {}
    for line in lines:
        if line["type"] == "job":
            states.setdefault(line["job"], []).append(line["state"])
    timings = {p.stem for p in (checkout.results / "timings").glob("*.tsv")}
    assert set(states) == timings
    assert {s[-1] for s in states.values()} == {"done"}
    assert "running" in states["moons-train-velocity"]
    last = lines[-1]
    assert last["type"] == "summary"
    assert not last["alive"]
    assert last["done"] == last["jobs"] == len(timings)
    begun = [n for n in lines if n["type"] == "summary" and n["alive"] and n["running"]]
    assert any(n["eta_s"] for n in begun)


def test_steps_loss_and_time_to_go_are_told_while_a_network_trains(watched):
    told = [n for n in watched[1] if n.get("stage") == "train" and n["state"] == "running"]
    assert all(n["eta_s"] is not None and n["elapsed_s"] >= 0 for n in told)
    assert {n["of"] for n in told} >= {6000}


def nsgf(checkout: Checkout, *words: str) -> subprocess.CompletedProcess:
    return checkout.nsgf("watch", "--preset", f"config/{checkout.name}.yaml", *words)


def test_after_the_run_it_says_that_nothing_is_running(watched):
    result = nsgf(watched[0])
    assert result.returncode == 0
    assert "nothing is running" in result.stdout
    summary = json.loads(nsgf(watched[0], "--once", "--json").stdout.splitlines()[-1])
    assert sum(summary[s] for s in STATES) == summary["jobs"]


def test_where_nothing_has_run_everything_waits(watched):
    result = watched[0].nsgf("watch", "--preset", "config/cpu.yaml", "--once")
    assert result.returncode == 0
    assert f"{len(jobs(load('config/cpu.yaml', Preset)))} waiting" in result.stdout
    assert "unknown" not in result.stderr


def test_an_unknown_preset_is_one_message(watched):
    result = watched[0].nsgf("watch", "--preset", "config/quik.yaml")
    assert result.returncode == 1
    assert "mend" in result.stderr


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_ctrl_c_leaves_quietly(watched, monkeypatch, capsys, words):
    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.chdir(watched[0].folder)
    monkeypatch.setattr("time.sleep", interrupted)
    assert main(["watch", "--wait", "--preset", "config/tiny.yaml", *words]) == 0
    assert capsys.readouterr().err == "\n"

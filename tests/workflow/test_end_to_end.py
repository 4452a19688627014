"""The workflow end to end on tiny data: undisturbed, killed at every stage, and run again."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml

from nsgf import numerics
from nsgf.artifact import SIDECAR, sidecar
from tests.foreign import foreign
from tests.workflow.checkout import Checkout, both_kinds, wait_for


@pytest.fixture(scope="module")
def tiny() -> dict:
    """Quick, shrunk, with enough steps for a kill to hit something."""
    whole = both_kinds("tiny", samples=64)
    images = whole["studies"]["table3"]
    images["pool"] |= {"batches": 200}
    images["networks"]["velocity"] |= {"iterations": 120, "checkpoint_every": 20}
    images["sampling"] |= {"batch_size": 2}
    images["shards"] = {"sample": 2}
    return whole


@pytest.fixture(scope="module")
def undisturbed(tiny, tmp_path_factory) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("whole"), tiny, quickly=True)
    result = checkout.reproduce()
    assert result.returncode == 0, result.stdout + result.stderr
    return checkout


def test_everything_is_made_with_provenance(undisturbed):
    results = undisturbed.results
    made = [
        p
        for kind in ("pools", "models", "samples", "metrics", "tables", "figures")
        for p in (results / kind).rglob("*")
        if p.is_file() and not p.name.endswith(SIDECAR)
    ]
    assert {p.name for p in made} >= {
        "x.npy",
        "nsgf.json",
        "fm,nfe=10.json",
        "table1.csv",
        "table3.html",
        "figure5.png",
        "targets.csv",
        "targets.pdf",
    }
    for path in made:
        body = undisturbed.provenance(path)
        assert body["commit"] is None or len(body["commit"]) >= 40
        assert len(body["sha256"]) == 64
        assert body["numerics"] == numerics.key()
    table = undisturbed.provenance(results / "tables/table1.csv")
    assert "results/tiny/metrics/moons/fm,nfe=10.json" in table["inputs"]
    assert table["command"] == "nsgf make results/tiny/tables/table1.csv"
    pool = undisturbed.provenance(results / "pools/moons/flow/seed1/shard0/x.npy")
    assert pool["unit"] == {"dataset": "moons", "seed": 1, "shard": 0}
    assert pool["machine"]["processor"]
    assert not {"mem_mb", "units_per_job", "checkpoint_every"} & set(re.findall(r"\w+", str(pool)))


def test_settings_are_written_once_and_seconds_by_what_was_made(undisturbed):
    results = undisturbed.results
    assert [p.name for p in (results / "config").iterdir()] == ["preset.json"]
    made = {p.name for p in (results / "timings/made").iterdir()}
    assert {
        "pools-moons-flow-seed0-shard0.json",
        "models-moons-straight-seed1.safetensors.json",
    } < made


def test_what_trainings_cost_stands_beside_what_they_came_to(undisturbed):
    timings = undisturbed.results / "timings"
    assert (timings / "timeline.png").stat().st_size > 1000
    assert (timings / "cost.png").stat().st_size > 1000
    cost = pd.read_csv(timings / "cost.csv").set_index(["dataset", "cell"])
    metrics = json.loads((undisturbed.results / "metrics/moons/nsgf.json").read_text())
    values = [r["value"] for s in metrics["sets"] for r in s["metrics"] if r["metric"] == "w2"]
    row = cost.loc[("moons", "nsgf")]
    assert (row["metric"], row["timed"]) == ("w2", 2)
    assert row["mean"] == pytest.approx(sum(values) / len(values), rel=1e-5)

    def seconds(name: str) -> float:
        every = [
            json.loads((timings / f"made/{name.format(seed=s)}.json").read_text()) for s in (0, 1)
        ]
        return sum(one["seconds"] for one in every) / 2

    assert row["pool_s"] == pytest.approx(seconds("pools-moons-flow-seed{seed}-shard0"), abs=1e-3)
    trained = seconds("models-moons-velocity-seed{seed}.safetensors")
    assert row["train_s"] == pytest.approx(trained, abs=1e-3)
    assert row["seconds"] == pytest.approx(row["pool_s"] + row["train_s"], abs=1e-3)
    # A row without a pool, and one that goes on by another's network.
    assert cost.loc[("moons", "fm,nfe=10"), "pool_s"] == 0
    assert cost["seconds"].min() > 0


def test_parts_of_sets_leave_their_provenance_only(undisturbed):
    parts = [p.name for p in (undisturbed.results / "samples/mnist/nsgf++").glob("*.part*")]
    assert len(parts) == 2 * 2 * 2  # sets, parts of a set, files of a part
    assert all(name.endswith(SIDECAR) for name in parts)


def test_the_report_needs_no_network(undisturbed):
    ours, technical = (
        (undisturbed.results / f"{name}.html").read_text() for name in ("report", "technical")
    )
    assert "Neural Sinkhorn Gradient Flow" in technical
    assert "Clouds on their way" in ours
    assert 'href="technical.html"' in ours
    assert foreign(technical) == foreign(ours) == []


def test_a_second_run_does_nothing_and_says_so(undisturbed):
    before = {p: p.stat().st_mtime_ns for p in undisturbed.results.rglob("*") if p.is_file()}
    result = undisturbed.reproduce()
    assert result.returncode == 0
    assert "Nothing to do" in result.stdout
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_one_part_can_be_run_alone(tiny, tmp_path):
    result = Checkout(tmp_path, tiny).reproduce("--only", "table1", "--dry-run")
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    assert "moons-train-velocity" in said
    assert "mnist" not in said


@contextmanager
def other_settings(checkout: Checkout, change: Callable[[dict], None]) -> Iterator[None]:
    """The preset with a change, for a while."""
    # And what jobs read, which Snakemake writes where settings are others.
    files = checkout.folder / "config/tiny.yaml", checkout.results / "config/preset.json"
    kept = [(path, path.read_bytes(), path.stat()) for path in files]
    try:
        whole = yaml.safe_load(files[0].read_text())
        change(whole)
        files[0].write_text(yaml.safe_dump(whole, sort_keys=False))
        yield
    finally:
        for path, body, about in kept:
            path.write_bytes(body)
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def test_a_changed_setting_reruns_just_what_depends_on_it(undisturbed):
    with other_settings(undisturbed, lambda whole: whole.update(judging={"confidence": 0.9})):
        result = undisturbed.reproduce("-n")
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    assert "table-table1" in said
    assert "train" not in said


def test_grouping_checkpoints_and_resources_rerun_nothing(undisturbed):
    def change(whole: dict) -> None:
        for study in whole["studies"].values():
            for resources in study["resources"].values():
                resources |= {"units_per_job": 1, "mem_mb": 900, "runtime_min": 7}
            for training in study["networks"].values():
                training |= {"checkpoint_every": 7}

    before = undisturbed.artefacts()
    with other_settings(undisturbed, change):
        result = undisturbed.reproduce()
    assert "Nothing to do" in result.stdout, result.stdout + result.stderr
    after = undisturbed.artefacts()
    assert [name for name in before if before[name] != after[name]] == []


def test_a_stage_can_be_given_other_resources(tiny, tmp_path):
    checkout = Checkout(tmp_path, tiny)
    words = ("train:mem_mb=4000", "pool:runtime=7", "moons-train-straight-0:mem_mb=5000")
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/default"]
    command += ["-n", "--config", "preset=tiny", "--set-resources", *words]
    result = subprocess.run(
        command, cwd=tmp_path, env=checkout.environment, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stderr
    found = r"^rule (\S+):$(?:\n .*)*?\n    resources: .*mem_mb=(\d+).* runtime=(\d+)"
    asked = {name: (memory, time) for name, memory, time in re.findall(found, result.stdout, re.M)}
    assert asked["moons-train-velocity-0"][0] == asked["mnist-train-phase"][0] == "4000"
    assert asked["moons-train-straight-0"][0] == "5000"
    assert asked["moons-pool-flow-0"] == ("1500", "7")
    assert asked["moons-sample-nsgf-0"] == ("1500", "10")


def flip_unseen(path: Path) -> None:
    """Change a byte and set the time stamp back."""
    about, body = path.stat(), bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(bytes(body))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def test_a_byte_that_flipped_unseen_is_named_and_just_its_file_is_made_again(undisturbed):
    name = "pools/moons/flow/seed0/shard0/v.npy"
    path, before = undisturbed.results / name, undisturbed.artefacts(provenance=False)
    times = {p: p.stat().st_mtime_ns for p in undisturbed.results.rglob("*") if p.is_file()}
    flip_unseen(path)
    refused = undisturbed.reproduce()
    assert refused.returncode == 1
    assert refused.stderr == (
        f"nsgf: 'results/tiny/{name}' is damaged: its bytes are not those that its provenance"
        f" states\n  mend  build just that again: nsgf make results/tiny/{name}\n"
    )
    assert {p: p.stat().st_mtime_ns for p in times} == times
    made = undisturbed.nsgf("make", f"results/tiny/{name}")
    assert made.returncode == 0, made.stderr
    again = {
        str(p.relative_to(undisturbed.results)) for p in times if p.stat().st_mtime_ns != times[p]
    }
    folder = name.rpartition("/")[0]
    seconds = f"timings/made/{folder.replace('/', '-')}.json"
    assert name in again
    assert {n for n in again if not n.startswith(folder)} == {seconds}
    assert undisturbed.artefacts(provenance=False) == before
    result = undisturbed.reproduce()
    assert "Nothing to do" in result.stdout, result.stdout + result.stderr


def caught(checkout: Checkout, stage: str, begun: Callable[[], bool]) -> list[psutil.Process]:
    """All live jobs of a stage, stopped at a moment where `begun()` holds.

    Between seeing state and killing, a fast job could end and take its state with it. So jobs are
    stopped first and asked again; if they were too fast, they go on and the next ones are awaited.
    """

    def still(process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
        return True

    def stopped() -> list[psutil.Process]:
        if not begun():
            return []
        found = checkout.jobs(stage)
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        wait_for(lambda: all(map(still, found)), 20)
        if found and begun():
            return found
        go_on(found)
        return []

    return wait_for(stopped, 240, every=0.005)


def go_on(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


def test_killed_anywhere_it_ends_with_the_same_tables(undisturbed, tiny, tmp_path):
    """SIGKILL of a job, of Snakemake and of the terminal, each after a checkpoint."""
    checkout = Checkout(tmp_path, tiny)
    pool_lines = re.compile(r"\n(\d+),4,")

    steps: dict[str, str] = {}

    def harvest() -> None:
        """What has been resumed so far; a job that runs again writes its log anew."""
        for log in (checkout.folder / "logs").rglob("*.log"):
            steps.update(re.findall(r"resumed (\S+) .*at step (\d+)", log.read_text()))

    def some(pattern: str, enough: Callable[[Path], bool]) -> Callable[[], bool]:
        """A file of the state is there and has come far enough; it may go while it is read."""

        def begun() -> bool:
            with contextlib.suppress(FileNotFoundError):
                return any(map(enough, checkout.state(pattern)))
            return False

        return begun

    # A job, while it builds the MNIST pool.
    run = checkout.start()
    far = some("*/divergence.csv", lambda p: len(pool_lines.findall(p.read_text())) > 16)
    for job in caught(checkout, "pool", far):
        job.kill()
    output, _ = run.communicate(timeout=120)
    assert run.returncode != 0
    assert "What is done is kept" in output

    # Snakemake itself, while a network trains: its jobs must not live on.
    run = checkout.start()
    far = some("*/checkpoint.pt", lambda p: p.stat().st_size > 50_000)
    training = caught(checkout, "train", far)
    (snakemake,) = [p for p in run_children(run.pid) if "snakemake" in " ".join(p.cmdline())]
    snakemake.kill()
    go_on(training)
    run.communicate(timeout=120)
    wait_for(lambda: not checkout.jobs(), 20)

    # The terminal, while samples are drawn.
    run = checkout.start()
    caught(checkout, "sample", some("*/batch*.pt", lambda p: p.exists()))
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate(timeout=120)
    wait_for(lambda: not checkout.jobs(), 20)
    harvest()

    checkout.scripts = undisturbed.scripts  # what is left is killed no more
    result = checkout.reproduce()
    assert result.returncode == 0, result.stdout + result.stderr
    assert checkout.tables() == undisturbed.tables()
    for path in (undisturbed.results / "models").rglob("*.safetensors"):
        other = checkout.results / path.relative_to(undisturbed.results)
        assert other.read_bytes() == path.read_bytes()
    harvest()
    assert {"pool", "velocity"} <= set(steps), steps
    assert {"nsgf", "fm", "nsgf++", "straight"} & set(steps), steps
    assert all(int(step) > 0 for step in steps.values())
    assert not [p for p in checkout.state("*") if p.is_dir()], "state left behind"


def run_children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--preset", "quik"], "unknown preset 'quik'\n  mend  did you mean 'quick'?"),
        (["--preset", "published"], "unknown preset 'published'"),
        (["--cores", "0"], "'0' is no number of cores"),
        (["--cores", "abc"], "'abc' is no number of cores"),
        (["--cores", ""], "'' is no number of cores"),
        (["--only", "table9"], "unknown study of preset 'tiny' 'table9'"),
    ],
)
def test_mistakes_are_one_message(undisturbed, words, says):
    result = undisturbed.reproduce(*words)
    assert result.returncode == 1
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("nsgf: ") == 1


def test_a_preset_under_another_name_is_refused(undisturbed):
    copy = undisturbed.folder / "config/other.yaml"
    copy.write_text((undisturbed.folder / "config/tiny.yaml").read_text())
    result = undisturbed.reproduce("--preset", "other")
    assert result.returncode == 1
    assert "another preset's folder" in result.stderr


def test_ctrl_c_ends_quietly_and_leaves_nothing_running(tiny, tmp_path):
    checkout = Checkout(tmp_path, tiny)
    run = checkout.start()
    wait_for(lambda: checkout.jobs())
    os.killpg(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "What is done is kept" in output
    assert "Traceback" not in output
    wait_for(lambda: not checkout.jobs(), 30)


def test_a_typing_mistake_in_the_preset_costs_one_message(undisturbed):
    path = undisturbed.folder / "config/tiny.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("sample_seeds", "sample_seed"))
        result = undisturbed.reproduce()
    finally:
        path.write_text(text)
    assert result.returncode == 1
    assert "nearest known key: 'sample_seeds'" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_corrupt_network_is_refused_and_costs_no_result(undisturbed):
    name = "models/moons/velocity/seed0.safetensors"
    model, before = undisturbed.results / name, undisturbed.artefacts()
    kept = model.read_bytes()
    try:
        model.write_bytes(b"no network")
        result = undisturbed.reproduce()
        by_hand = undisturbed.nsgf("make", "results/tiny/samples/moons/nsgf/seed0-0.npy")
    finally:
        model.write_bytes(kept)
    for said in (result, by_hand):
        assert said.returncode == 1
        assert f"'results/tiny/{name}' is damaged" in said.stderr
        assert "Traceback" not in said.stderr
    assert undisturbed.artefacts() == before


def test_a_network_that_nobody_accounts_for_fails_with_the_jobs_own_message(undisturbed):
    """A newer input, so that its samples are drawn again and must say why they cannot be."""
    model = undisturbed.results / "models/moons/velocity/seed0.safetensors"
    kept, account = model.read_bytes(), sidecar(model).read_bytes()
    try:
        model.write_bytes(b"no network")
        sidecar(model).unlink()
        result = undisturbed.reproduce()
    finally:
        model.write_bytes(kept)
        sidecar(model).write_bytes(account)
    assert result.returncode == 1
    assert "job moons-sample-nsgf-0 failed" in result.stderr
    assert "has no provenance" in result.stderr
    assert "Traceback" not in result.stderr
    assert undisturbed.reproduce().returncode == 0

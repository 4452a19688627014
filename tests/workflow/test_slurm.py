"""The workflow on a real SLURM: two nodes on this machine, with two stand-in GPUs each."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from nsgf.artifact import SIDECAR
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.errors import NsgfError
from tests import tiny_run
from tests.slurm.cluster import SETTINGS, Cluster, ClusterJob, refuse_foreign
from tests.slurm.packages import require
from tests.slurm.use import PROFILE, on_slurm, users_of
from tests.workflow.checkout import ROOT, Checkout, planar, preset, shrink, wait_for

SEED = "moons-train-velocity-0"
EVALUATION = "moons-evaluate-nsgf"
ENDLESS = "moons-train-straight"
SIZE = {"samples": 16}
ASK = 0.5  # seconds between looks at the queue, each of which is a process
LOCAL = {"table-table1", "table-table1-print", "claims"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    try:
        refuse_foreign(SETTINGS)
        require()
    except NsgfError as error:
        pytest.skip(f"SLURM is left out: {error.what}")
    before = sorted(p.name for p in SETTINGS.iterdir())
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster
    left = users_of(cluster.folder)
    for process in left:  # of a test that failed
        process.kill()
    assert not left
    assert sorted(p.name for p in SETTINGS.iterdir()) == before
    assert not (cluster.folder / "munge.sock").exists()


@pytest.fixture(scope="module")
def tiny() -> dict:
    """Two shards and two seeds, a job each; training has a GPU, evaluation too little memory."""
    resources = {
        "pool": {"units_per_job": 1, "mem_mb": 1000, "runtime_min": 10},
        "train": {"units_per_job": 1, "mem_mb": 1200, "runtime_min": 10, "gpu": 1},
        "sample": {"units_per_job": 2, "mem_mb": 1000, "runtime_min": 10},
        "reference": {"units_per_job": 2, "mem_mb": 1000, "runtime_min": 10},
        "evaluate": {"units_per_job": 2, "mem_mb": 500, "runtime_min": 10},
    }
    whole = planar("tiny", ["nsgf"], SIZE, sample_seeds=1, resources=resources)
    whole["studies"]["table1"]["pool"]["shards"] = 2
    return whole


@pytest.fixture(scope="module")
def undisturbed(tiny, tmp_path_factory) -> Checkout:
    """The same preset on this machine alone, in one process, which imports torch once."""
    checkout = Checkout(tmp_path_factory.mktemp("local"), tiny)
    command = [sys.executable, "-c", tiny_run.PROGRAM, "config/tiny.yaml"]
    environment = checkout.environment
    result = subprocess.run(
        command, cwd=checkout.folder, env=environment, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return checkout


def endless(name: str, minutes: int) -> dict:
    """One network that trains for ever, on a GPU."""
    whole = planar(name, ["fm"], SIZE, train_seeds=1, sample_seeds=1)
    points = whole["studies"]["table1"]
    points["networks"]["straight"] |= {"iterations": 10_000_000, "checkpoint_every": 1000}
    points["resources"]["train"] = {"mem_mb": 1500, "runtime_min": minutes, "gpu": 1}
    return whole


@pytest.fixture(scope="module")
def too_long(cluster, tmp_path_factory):
    """A run in the background whose training is stopped at its time limit, a minute.

    That minute it sleeps, as it could not end by itself either way.
    """
    folder = tmp_path_factory.mktemp("long")
    checkout = on_slurm(folder, endless("long", 1), cluster, gres="gpu")
    run = checkout.start(*PROFILE)

    def lull() -> None:
        for process in wait_for(lambda: checkout.jobs("train"), 200):
            process.suspend()

    threading.Thread(target=lull).start()
    return checkout, run


@pytest.fixture(scope="module")
def disturbed(tiny, undisturbed, cluster, too_long, tmp_path_factory):
    """A run on SLURM: one job is cancelled while it runs, another lacks memory."""
    settings = {"account": "lab", "partition": "cpu", "gpu_partition": "gpu"}
    folder = tmp_path_factory.mktemp("slurm")
    checkout = on_slurm(folder, tiny, cluster, retries=2, **settings)

    def cancel() -> None:
        cluster.cancel(wait_for(lambda: running(cluster, SEED), 200, ASK).id)

    canceller = threading.Thread(target=cancel)
    canceller.start()
    result = checkout.reproduce(*PROFILE)
    canceller.join()
    assert result.returncode == 0, result.stdout + result.stderr
    print("\n".join(["", *result.stdout.splitlines()[-3:]]))
    print((checkout.results / "timings/run.json").read_text())
    return checkout, result


def running(cluster: Cluster, rule: str) -> ClusterJob | None:
    return next((j for j in cluster.queue("running") if j.rule == rule), None)


def attempts(cluster: Cluster, checkout: Checkout, rule: str = "") -> list[ClusterJob]:
    """All jobs of a checkout, or of one rule in it, oldest first."""
    found = [j for j in cluster.queue("all") if j.folder == str(checkout.folder)]
    return sorted((j for j in found if rule in ("", j.rule)), key=lambda j: int(j.id))


def half_written(checkout: Checkout) -> list[Path]:
    return [p for p in checkout.results.rglob("*") if ".tmp" in p.name]


def but_resuming(artefacts: dict[str, bytes], name: str) -> bytes | dict:
    """An artefact; of provenance all but where work that was cancelled half-way went on."""
    if not name.endswith(SIDECAR):
        return artefacts[name]
    body = json.loads(artefacts[name])
    body["facts"].pop("resumed_at", None)
    return body


def test_results_equal_the_local_run_byte_for_byte(disturbed, undisturbed):
    here, there = undisturbed.artefacts(), disturbed[0].artefacts()
    kinds = {name.split("/")[0] for name in here}
    assert kinds >= {"pools", "models", "samples", "metrics", "tables"}
    assert sorted(here) == sorted(there)
    assert [name for name in here if but_resuming(here, name) != but_resuming(there, name)] == []
    assert (disturbed[0].results / "report.html").exists()


def test_shards_and_seeds_are_jobs_and_the_last_rules_are_local(disturbed, cluster, tiny):
    rules = {j.rule for j in attempts(cluster, disturbed[0])}
    assert rules == {j.name for j in jobs(Preset.model_validate(tiny))} - LOCAL
    assert {f"moons-pool-flow-{k}" for k in range(4)} <= rules


def test_data_are_fetched_here_and_not_on_a_node(cluster, tmp_path):
    whole = shrink(preset("quick") | {"name": "images"})
    checkout = on_slurm(tmp_path, whole, cluster)
    settings = ["--config", "preset=images", "preset_file=config/images.yaml"]
    command = ["snakemake", "--workflow-profile", PROFILE[1], "--until", "fetch-mnist", *settings]
    environment = checkout.environment
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "data/processed/mnist/train_images.npy").exists()
    assert attempts(cluster, checkout) == []


def test_gpu_jobs_have_one_and_others_ask_for_none(disturbed, cluster):
    seen = cluster.gpus_seen()
    for job in attempts(cluster, disturbed[0]):
        wants = "train" in job.rule
        assert job.gpus == ("gres:gpu:1" if wants else "N/A"), job
        assert (seen[job.id] != "") == wants, (job, seen)


def test_account_and_partitions_arrive(disturbed, cluster):
    for job in attempts(cluster, disturbed[0]):
        assert job.account == "lab"
        assert job.partition == ("gpu" if "train" in job.rule else "cpu")


def test_a_job_killed_by_memory_is_sent_again_with_more(disturbed, cluster):
    first, second = attempts(cluster, disturbed[0], EVALUATION)
    assert (first.state, first.memory, first.limit) == ("FAILED", "500M", "10:00")
    assert (second.state, second.memory, second.limit) == ("COMPLETED", "1000M", "20:00")


def test_a_cancelled_job_is_sent_again(disturbed, cluster):
    first, second = attempts(cluster, disturbed[0], SEED)
    assert (first.state, second.state) == ("CANCELLED", "COMPLETED")
    assert half_written(disturbed[0]) == []


def test_the_closing_line_says_what_slurm_cost(disturbed):
    checkout, result = disturbed
    cost = yaml.safe_load((checkout.results / "timings/run.json").read_text())
    assert 0 < cost["jobs_s"] < cost["wall_s"]
    assert f"jobs in {cost['wall_s'] / 60:.1f} min, of which SLURM ran" in result.stdout


def test_a_job_over_its_time_limit_is_named_with_the_mend(too_long, cluster):
    checkout, run = too_long
    said, _ = run.communicate(timeout=200)
    assert run.returncode == 1
    assert f"job {ENDLESS} failed" in said
    assert "SLURM stopped it at its time limit" in said
    assert "runtime_min" in said
    (job,) = attempts(cluster, checkout, ENDLESS)
    assert job.state == "TIMEOUT"
    assert cluster.gpus_seen()[job.id] != ""  # asked for by --gres
    assert half_written(checkout) == []
    assert not list((checkout.results / "models").rglob("*.safetensors"))


def test_a_killed_run_leaves_jobs_that_the_next_one_cancels(cluster, tmp_path):
    """SIGKILL of driver and Snakemake, Ctrl-C, SIGKILL of Snakemake, the death of a node."""
    checkout = on_slurm(tmp_path, endless("endless", 30), cluster)

    def start() -> tuple[subprocess.Popen, ClusterJob]:
        """A run whose own job, not one of an earlier run, trains."""
        known, run = {j.id for j in attempts(cluster, checkout)}, checkout.start(*PROFILE)

        def begun() -> ClusterJob | None:
            assert run.poll() is None, run.communicate()[0]
            job = running(cluster, ENDLESS)
            return job if job and job.id not in known else None

        job = wait_for(begun, every=ASK)
        wait_for(lambda: checkout.jobs("train"))
        return run, job

    run, left = start()
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate(timeout=60)
    assert running(cluster, ENDLESS) == left, "a job outlives a killed run"

    run, job = start()
    assert [j.id for j in cluster.queue() if j.rule == ENDLESS] == [job.id]
    assert len(checkout.jobs("train")) == 1
    os.killpg(run.pid, signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert re.search(r"Cancelled \d SLURM jobs? of an earlier run", said)
    assert "Traceback" not in said
    assert cluster.queue() == []
    assert checkout.jobs() == []

    run, job = start()
    (snakemake,) = psutil.Process(run.pid).children()
    snakemake.kill()
    said, _ = run.communicate(timeout=60)
    assert run.returncode == -signal.SIGKILL % 256
    assert "Snakemake failed" in said
    assert cluster.queue() == []

    run, job = start()
    node = job.node
    cluster.kill_node(node)
    wait_for(lambda: not checkout.jobs(), 20)
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "its node failed" in said
    cluster.start_node(node)
    assert half_written(checkout) == []


def test_a_wrong_partition_is_one_message(cluster, tmp_path):
    wrong = {"partition": "nowhere", "gpu_partition": "nowhere"}
    checkout = on_slurm(tmp_path, endless("wrong", 30), cluster, **wrong)
    result = checkout.reproduce(*PROFILE)
    assert result.returncode == 1
    assert "SLURM refused it: " in result.stderr
    assert "invalid partition" in result.stderr
    assert "profiles-of-mine/cluster.yaml" in result.stderr
    assert "Traceback" not in result.stderr


def test_without_slurm_the_profile_says_so(tiny, tmp_path):
    checkout = Checkout(tmp_path, tiny)
    checkout.environment |= {"SLURM_CONF": str(tmp_path / "none"), "PATH": str(tmp_path)}
    result = checkout.reproduce("--profile", "slurm")
    assert result.returncode == 1
    assert "SLURM does not answer squeue" in result.stderr
    assert "mend" in result.stderr


@pytest.mark.parametrize("gres", ["gpu:1", "gpu:1,shard:1", "gpu:a100:1", "gpu,shard", 1, ["gpu"]])
def test_a_gres_with_a_count_is_refused_before_anything_starts(tiny, tmp_path, gres):
    checkout = Checkout(tmp_path, tiny)
    with_gres(checkout, gres)
    result = checkout.reproduce("--profile", "mine")
    assert result.returncode == 1
    assert result.stderr.startswith("nsgf: mine/cluster.yaml: cluster.gres is")
    assert "such as gpu or gpu:a100" in result.stderr
    assert not (tmp_path / ".snakemake").exists()


@pytest.mark.parametrize(("gres", "code"), [("gpu:1", 1), ("gpu:a100", 0), (None, 0)])
def test_snakemake_alone_refuses_such_a_gres_too(tiny, tmp_path, gres, code):
    checkout = Checkout(tmp_path, tiny)
    with_gres(checkout, gres)
    words = ["--workflow-profile", "mine", "-n", "--config", f"preset={checkout.name}"]
    result = subprocess.run(
        [sys.executable, "-m", "snakemake", *words],
        cwd=tmp_path,
        env=checkout.environment,
        text=True,
        capture_output=True,
    )
    said = result.stdout + result.stderr
    assert result.returncode == code, said
    assert ("cluster.yaml: cluster.gres is 'gpu:1'" in said) == bool(code)


def with_gres(checkout: Checkout, gres: object) -> None:
    """A profile of its own with that setting."""
    shutil.copytree(ROOT / "profiles/slurm", checkout.folder / "mine")
    settings = yaml.safe_dump({"cluster": {"gres": gres}})
    (checkout.folder / "mine/cluster.yaml").write_text(settings)


def test_an_unknown_profile_is_one_message(tiny, tmp_path):
    result = Checkout(tmp_path, tiny).reproduce("--profile", "slrum")
    assert result.returncode == 1
    assert "unknown profile 'slrum'\n  mend  did you mean 'slurm'?" in result.stderr


def test_a_machine_with_its_own_slurm_is_left_alone(tmp_path):
    (tmp_path / "plugstack.conf").touch()
    refuse_foreign(tmp_path)
    (tmp_path / "slurm.conf").touch()
    with pytest.raises(NsgfError, match=r"holds slurm\.conf"):
        refuse_foreign(tmp_path)


@pytest.fixture
def near() -> Iterator[Path]:
    """A folder with a short name: SLURM's sockets in it take 107 letters at most."""
    with tempfile.TemporaryDirectory(prefix="n") as folder:
        yield Path(folder)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL, None])
def test_a_cluster_leaves_no_trace_however_it_ends(cluster, near, end):
    """Beside another cluster; None is the end of input."""
    command = [sys.executable, "-m", "tests.slurm.cluster"]
    environment = os.environ | {"TMPDIR": str(near), "PYTHONPATH": str(ROOT)}
    boot = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=-1, stdout=-1, stderr=-1
    )
    folder = Path(boot.stdout.readline().strip().partition("=")[2]).parent
    sleeper = ["sbatch", "--output", f"{near}/out", "--wrap", "sleep 600"]
    subprocess.run(sleeper, env=os.environ | {"SLURM_CONF": f"{folder}/slurm.conf"}, check=True)
    wait_for(lambda: any("sleep" in p.name() for p in users_of(folder)))
    if end:
        boot.send_signal(end)
    boot.communicate(timeout=30)
    wait_for(lambda: not users_of(folder), 10)
    assert folder.exists() == (end == signal.SIGKILL)  # nobody is left to remove files

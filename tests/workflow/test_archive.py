"""DVC as the archive: restored anywhere, rerun exactly, and never a record of a forgery."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from nsgf.artifact import sha256_file
from tests.workflow.clone import Clone

MODEL = "results/small/models/moons/velocity/seed0.safetensors"


@pytest.fixture(scope="module")
def fresh(published, tmp_path_factory) -> Clone:
    """A clone that has pulled, which no test alters."""
    clone = Clone.of(published, tmp_path_factory.mktemp("fresh") / "clone")
    clone.dvc("pull", "--allow-missing")
    return clone


@pytest.fixture
def pulled(fresh, tmp_path) -> Clone:
    """A copy of it for one test."""
    return Clone.copy(fresh, tmp_path / "pulled")


def digests(clone: Clone, *folders: str) -> dict[str, str]:
    """SHA-256 of every file of these folders of the run."""
    root = clone.results
    return {
        str(p.relative_to(root)): sha256_file(p)
        for folder in folders
        for p in sorted((root / folder).rglob("*"))
        if p.is_file() and not p.name.endswith(".prov.json")
    }


def ran(clone: Clone) -> set[str]:
    """Jobs of the last call of Snakemake."""
    text = (clone.folder / f"logs/{clone.name}/snakemake.log").read_text()
    return set(re.findall(r"^(?:local)?rule ([^:\s]+):", text, flags=re.MULTILINE))


def test_a_pulled_clone_is_complete_but_for_the_pools_and_sound(published, fresh):
    parts = ("models", "samples", "metrics", "tables", "figures")
    assert digests(fresh, *parts) == digests(published, *parts)
    assert not (fresh.results / "pools").exists()
    result = fresh.nsgf("audit", "results/small")
    assert result.returncode == 0, result.stdout + result.stderr


def test_pools_are_built_again_bit_for_bit_and_nothing_else_is(published, pulled):
    result = pulled.dvc("repro")
    assert "files that no archive kept" in result.stdout
    assert digests(pulled, "pools") == digests(published, "pools")
    assert not (pulled.folder / "logs/small/mnist-train-velocity.log").exists()
    assert ran(pulled) == {"reproduce", "claims"}  # which are also about times
    audit = pulled.nsgf("audit", "results/small")
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_a_changed_parameter_reruns_what_depends_on_it_and_records_no_stale_result(pulled):
    path = pulled.folder / "config/small.yaml"
    whole = yaml.safe_load(path.read_text())
    whole["studies"]["table3"]["sampling"]["omega"] = 0.5
    path.write_text(yaml.safe_dump(whole))
    before = digests(pulled, "models")
    recorded = (pulled.folder / "dvc.lock").read_text()
    pulled.dvc("repro")
    work = {j for j in ran(pulled) if not j.startswith(("figure", "table", "targets", "claims"))}
    assert {j for j in work if j != "reproduce"} == {
        f"mnist-{job}"
        for method in ("nsgf++", "straight")
        for job in (f"sample-{method}-0", f"evaluate-{method}")
    }
    assert digests(pulled, "models") == before
    assert (pulled.folder / "dvc.lock").read_text() != recorded
    # Publishing judges every artefact by the code and settings that are here.
    pulled.commit("Take longer steps")
    for table in (pulled.results / "tables").glob("*"):
        table.unlink()  # tables name the commit that made them
    assert pulled.reproduce().returncode == 0
    done = pulled.nsgf("publish", "--preset", "config/small.yaml")
    assert done.returncode == 0, done.stderr
    pulled.dvc("repro")
    pulled.commit("Publish")
    audit = pulled.nsgf("audit", "results/small")
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_a_second_checkout_takes_all_work_from_the_store_and_is_as_sound(published, tmp_path):
    clone = Clone.of(published, tmp_path / "second")
    clone.environment["NSGF_STORE"] = published.environment["NSGF_STORE"]
    result = clone.reproduce()
    assert result.returncode == 0, result.stdout + result.stderr
    logs = {p.stem: p.read_text() for p in (clone.folder / "logs/small").glob("*.log")}
    del logs["snakemake"]
    # What takes seconds is done again: downloads, tables, figures and claims.
    work = {n: text for n, text in logs.items() if n.startswith(("moons-", "mnist-"))}
    assert {name: text for name, text in work.items() if "taken from the store" not in text} == {}
    assert {"mnist-pool-flow", "moons-train-velocity-0", "mnist-evaluate-nsgf++"} <= set(work)
    assert not [n for n in logs.keys() - work.keys() if "taken from the store" in logs[n]]
    assert clone.artefacts(provenance=False) == published.artefacts(provenance=False)
    # With its provenance: that of whoever did the work.
    mine, theirs = (
        {n: body for n, body in c.artefacts().items() if not n.startswith(("tables/", "figures/"))}
        for c in (clone, published)
    )
    assert mine == theirs
    audit = clone.nsgf("audit", "results/small")
    assert audit.returncode == 0, audit.stdout + audit.stderr


@pytest.mark.parametrize("consistent", [False, True])
def test_repro_refuses_a_tampered_file_before_it_can_launder_it(pulled, monkeypatch, consistent):
    from tests.workflow.test_audit import flip, forge

    monkeypatch.chdir(pulled.folder)
    recorded = Path("dvc.lock").read_text()
    (forge if consistent else flip)(Path(MODEL))
    result = pulled.dvc("repro", check=False)
    assert result.returncode != 0
    assert MODEL in result.stdout + result.stderr
    assert Path("dvc.lock").read_text() == recorded
    assert not Path("logs/small").exists()
    pulled.dvc("checkout", "--force", "--allow-missing")
    assert pulled.nsgf("audit", "results/small", "--gate").returncode == 0


def test_the_gate_judges_by_the_lock_where_nothing_is_published(pulled, monkeypatch):
    from tests.workflow.test_audit import forge

    monkeypatch.chdir(pulled.folder)
    shutil.rmtree("results/published/small")
    pulled.commit("Withdraw")
    assert pulled.nsgf("audit", "results/small", "--gate").returncode == 0
    forge(Path(MODEL))
    result = pulled.nsgf("audit", "results/small", "--gate")
    assert result.returncode == 1
    assert MODEL in result.stderr


@pytest.fixture
def s3():
    """An S3 server on loopback, with one bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_REGION": "us-east-1"}
    keys["AWS_SECRET_ACCESS_KEY"] = "a-key-that-no-file-may-hold"
    client = boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        region_name=keys["AWS_REGION"],
    )
    client.create_bucket(Bucket="nsgf")
    yield address, keys
    server.stop()


def test_an_s3_remote_gives_back_the_same_bytes(published, pulled, tmp_path, s3):
    address, keys = s3
    for clone in (pulled, target := Clone.of(published, tmp_path / "target")):
        clone.environment |= keys
        clone.dvc("remote", "add", "--default", "cloud", "s3://nsgf/archive")
        clone.dvc("remote", "modify", "cloud", "endpointurl", address)
    pulled.dvc("push")
    target.dvc("pull", "--allow-missing")
    assert digests(target, "models", "tables") == digests(published, "models", "tables")
    audit = target.nsgf("audit", "results/small", "--commit", published.git("rev-parse", "HEAD"))
    assert audit.returncode == 0, audit.stdout + audit.stderr
    every = [p for p in target.folder.rglob("*") if p.is_file() and ".venv" not in p.parts]
    secret = keys["AWS_SECRET_ACCESS_KEY"].encode()
    assert [p for p in every if secret in p.read_bytes()] == []

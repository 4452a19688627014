"""The audit: silent on what is sound, and loud, by name, on everything that is not."""

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest

from nsgf.artifact import SIDECAR, sha256_file
from nsgf.config.base import load, parse
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.lineage import recipes
from nsgf.engine.task import with_sidecars
from nsgf.ops.audit import chain, checks, subject, tracked
from nsgf.ops.audit.checks import Finding
from nsgf.ops.audit.git import Commit
from tests.workflow.checkout import both_kinds
from tests.workflow.clone import Clone
from tests.workflow.conftest import SMALL


def kinds() -> dict[str, list[str]]:
    """Artefacts of every kind that the DAG makes: stage and ending -> all paths."""
    found: dict[str, list[str]] = {}
    for job in jobs(parse(both_kinds(**SMALL), Preset, "small")):
        for path in with_sidecars(job.artefacts):
            name = Path(path).name
            ending = name if job.stage in ("build-pool", "fetch") else name.split(".", 1)[1]
            found.setdefault(f"{job.stage} {ending}", []).append(path)
    return found


KINDS = kinds()
FILE_DIGEST, IMAGES = hashlib.file_digest, {}
VELOCITY = "results/small/models/moons/velocity/seed0.safetensors"


def flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(bytes(body))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def delete(path: Path) -> None:
    path.unlink()


def swap(path: Path) -> None:
    """With another file of its kind, or else of its folder, that has other bytes."""
    same = next(paths for paths in KINDS.values() if str(path) in paths)
    others = [Path(p) for p in same] + sorted(path.parent.iterdir())
    other = next(p for p in others if p.is_file() and p.read_bytes() != path.read_bytes())
    mine = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(mine)


def forge(path: Path) -> None:
    """Other bytes, and every digest of them in the run's provenance made to fit."""
    if path.name.endswith(SIDECAR):
        body = json.loads(path.read_text())
        body["machine"]["cores"] += 1
        path.write_text(json.dumps(body))
        return
    every = [*Path("results/small").rglob(f"*{SIDECAR}"), *Path("data").rglob(f"*{SIDECAR}")]
    before = sha256_file(path)
    flip(path)
    changed = {before: sha256_file(path)}
    while changed:  # provenance names provenance too
        old, new = changed.popitem()
        for file in every:
            if old in (text := file.read_text()):
                known = sha256_file(file)
                file.write_text(text.replace(old, new))
                changed[known] = sha256_file(file)


OPERATIONS = (flip, truncate, delete, swap, forge)


@pytest.fixture
def inside(published, monkeypatch) -> Clone:
    monkeypatch.chdir(published.folder)
    return published


@contextmanager
def tampered(*folders: str):
    """Whatever happens in these folders is undone."""
    kept = {p: p.read_bytes() for f in folders for p in Path(f).rglob("*") if p.is_file()}
    try:
        yield
    finally:
        for file in (p for f in folders for p in Path(f).rglob("*") if p.is_file()):
            if file not in kept:
                file.unlink()
        for file, body in kept.items():
            if not file.exists() or file.read_bytes() != body:
                file.write_bytes(body)


def findings(remade: bool = False) -> list[Finding]:
    return subject.of_results(Commit(), "small", remade)[1]


def images_once(file, name: str):
    """`hashlib.file_digest` where images are not touched: each is read once for all tests."""
    if not str(file.name).startswith("data/processed/"):
        return FILE_DIGEST(file, name)
    if (file.name, name) not in IMAGES:
        IMAGES[file.name, name] = FILE_DIGEST(file, name)
    return IMAGES[file.name, name]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_tampering_is_caught_and_named(inside, monkeypatch, kind: str, operation: Callable):
    path = Path(KINDS[kind][0])
    if not kind.startswith("fetch"):  # where no image is touched, hashing them twice takes longest
        monkeypatch.setattr(checks, "data", lambda run, registry: iter(()))
        monkeypatch.setattr(hashlib, "file_digest", images_once)
    with tampered("results/small", *(["data/processed"] if kind.startswith("fetch") else [])):
        operation(path)
        named = {f.path for f in findings() if f.kind != "rests on"}
    assert str(path).removesuffix(SIDECAR) in named | {p.removesuffix(SIDECAR) for p in named}


def test_there_are_enough_kinds_of_artefact():
    stages = {kind.split()[0] for kind in KINDS}
    assert stages >= {"fetch", "build-pool", "train", "sample", "evaluate", "table", "figure"}
    assert len(KINDS) * len(OPERATIONS) > 100


def test_a_clean_run_is_sound(inside):
    result = inside.nsgf("audit", "results/small", "--recompute", "2", "--json", "audit.json")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Sound" in result.stdout
    told = json.loads(Path("audit.json").read_text())
    Path("audit.json").unlink()
    assert told["sound"]
    assert {"table-table1", "table-table3", "claims", "table-targets"} < set(told["repeated"])
    assert len(told["repeated"]) == 6
    (number,) = [n for n in told["numbers"] if n["number"] == "nsgf moons 10 w2"]
    lengths = {k: len(v) for k, v in number["chain"].items()}
    assert (lengths["metrics"], lengths["models"]) == (1, 2)
    digits = next(n for n in told["numbers"] if n["number"].startswith("nsgf++ mnist"))
    assert {"data", "pools", "models", "samples", "metrics"} <= set(digits["chain"])
    for path in (p for part in digits["chain"].values() for p in part):
        about = told["artefacts"][path]
        assert about["sha256"] == sha256_file(Path(path))
        if path.startswith("config/"):
            assert about["status"] == "tracked"
            continue
        assert about["command"].startswith("nsgf ")
        assert about["config_sha256"] in told["configurations"]
        assert about["status"] == "ok"


def test_seconds_that_claims_rest_on_are_held_against_them(inside):
    path = Path("results/small/timings/made/models-mnist-straight-seed0.safetensors.json")
    with tampered("results/small"):
        path.write_text(json.dumps({"seconds": 1e6}))
        why = {f.why for f in findings() if f.path == "results/small/timings/claims.csv"}
    assert why == {f"made from other bytes of '{path}'"}


def test_every_number_of_every_table_has_a_chain(inside):
    import pandas as pd

    run, _ = subject.of_results(Commit(), "small", False)
    inputs = {path: list(file.body["inputs"]) for path, file in run.files.items()}
    found = list(chain.numbers("small", Path("results/small"), inputs))
    rows = sum(
        pd.read_csv(p)["mean"].notna().sum() for p in Path("results/small/tables").glob("*.csv")
    )
    assert len(found) == rows + 6
    assert all(n.files for n in found if n.label != "claim 4")  # Table 2 is not run here


def test_a_changed_configuration_is_caught_and_named(inside):
    with tampered("config", "results/small/config"):
        path = Path("config/small.yaml")
        path.write_text(path.read_text().replace("floor_draws: 1", "floor_draws: 2"))
        result = inside.nsgf("audit", "results/small")
    assert result.returncode == 1
    assert "config/small.yaml" in result.stdout
    assert "STALE" in result.stdout
    assert "floor_draws is 2, was 1" in result.stdout


def test_changed_and_added_code_is_caught_and_named(inside):
    with tampered("src"):
        Path("src/nsgf/rng.py").write_text(Path("src/nsgf/rng.py").read_text() + "# other\n")
        Path("src/nsgf/extra.py").write_text("")
        named = {f.path for f in tracked.check(Commit())}
    assert named == {"src/nsgf/rng.py", "src/nsgf/extra.py"}


def test_a_file_that_no_job_makes_is_named(inside):
    with tampered("results/small"):
        Path("results/small/tables/table9.csv").write_text("mean\n0\n")
        assert ("unknown", "results/small/tables/table9.csv") in [
            (f.kind, f.path) for f in findings()
        ]


def test_data_that_upstream_does_not_publish_is_named_though_all_else_agrees(inside, tmp_path):
    """An insider commits a record of altered images: only upstream's digest tells."""
    insider = Clone.of(inside, tmp_path / "insider")
    for folder in ("results/small", "data/processed"):
        shutil.copytree(folder, insider.folder / folder, dirs_exist_ok=True)
    import os

    os.chdir(insider.folder)
    images = Path("data/processed/mnist/train_images.npy")
    before = sha256_file(images)
    forge(images)
    manifest = Path("results/published/small/MANIFEST.json")
    text = manifest.read_text().replace(before, sha256_file(images))
    recorded = json.loads(text)
    for path, row in recorded["artefacts"].items():
        row[1] = sha256_file(Path(path + SIDECAR))
    manifest.write_text(json.dumps(recorded))
    Path("dvc.lock").unlink()
    insider.commit("All is well")
    found = findings()
    assert [(f.kind, f.path) for f in found] == [("foreign data", "data/processed/mnist")]


def test_damaged_git_objects_are_refused(inside, tmp_path):
    clone = Clone.of(inside, tmp_path / "damaged")
    name = clone.git("rev-parse", "HEAD:config/small.yaml")
    blob = clone.folder / f".git/objects/{name[:2]}/{name[2:]}"
    assert blob.exists()
    blob.chmod(0o644)
    blob.write_bytes((clone.folder / ".git/HEAD").read_bytes())
    result = clone.nsgf("audit", "results/small")
    assert result.returncode == 1
    assert "objects are damaged" in result.stderr


def test_a_run_without_a_record_is_not_sound(inside, tmp_path):
    first = inside.git("rev-list", "--max-parents=0", "HEAD")
    result = inside.nsgf("audit", "results/small", "--commit", first)
    assert result.returncode == 1
    assert "NOT RECORDED" in result.stdout


def test_a_run_of_ones_own_is_told_from_the_recorded_one(inside):
    """The same bytes with other provenance: not the record, unless that is accepted."""
    body = Path(VELOCITY + SIDECAR)
    with tampered("results/small"):
        forge(body)
        assert {f.kind for f in findings()} >= {"remade"}
        assert findings(remade=True) == []


NO_TEXTS = ({"command": None}, {"sha256": None}, {"inputs": []}, {"inputs": {"a": 1}})


@pytest.mark.parametrize("account", ["", "[]", "{}", "null", '"x"', "[" * 5000, *NO_TEXTS])
def test_provenance_of_another_form_is_named(inside, account):
    path = Path(VELOCITY + SIDECAR)
    with tampered("results/small"):
        text = (
            account
            if isinstance(account, str)
            else json.dumps(json.loads(path.read_text()) | account)
        )
        path.write_text(text)
        named = {f.path for f in findings() if f.kind == "no provenance"}
    assert named == {str(path).removesuffix(SIDECAR)}


@pytest.mark.parametrize("operation", [flip, truncate, delete, swap])
@pytest.mark.parametrize("path", ["tables/table1.csv", "metrics/moons/fm,nfe=10.json"])
def test_tampering_with_what_is_published_is_caught(inside, path: str, operation: Callable):
    file = Path("results/published/small") / path
    with tampered("results/published"):
        if operation is swap:
            other = file.with_name("table3.csv" if "table" in path else "nsgf.json")
            mine = file.read_bytes()
            file.write_bytes(other.read_bytes())
            other.write_bytes(mine)
        else:
            operation(file)
        found = subject.of_published(Commit(), "small")[1]
    assert str(file) in {f.path for f in found}


def test_what_is_published_is_judged_by_the_commit_that_it_names(inside, tmp_path):
    """Code that is changed later makes the published run no less sound."""
    later = Clone.of(inside, tmp_path / "later")
    model = later.folder / "src/nsgf/metrics/interval.py"
    model.write_text(model.read_text().replace("def student_t", "LATER = 1\n\n\ndef student_t"))
    later.commit("Change code after publishing")
    result = later.nsgf("audit", "results/published/small")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "table1" in result.stdout


def test_a_published_run_that_its_commit_did_not_make_is_caught(inside, tmp_path):
    """The manifest names the commit before a change of code that the run was made after."""
    other = Clone.of(inside, tmp_path / "other")
    model = other.folder / "src/nsgf/metrics/interval.py"
    model.write_text(model.read_text().replace("def student_t", "LATER = 1\n\n\ndef student_t"))
    changed = other.commit("Change code")
    manifest = other.folder / "results/published/small/MANIFEST.json"
    body = json.loads(manifest.read_text()) | {"commit": changed}
    manifest.write_text(json.dumps(body))
    other.commit("Claim that the changed code made it")
    result = other.nsgf("audit", "results/published/small")
    assert result.returncode == 1
    assert "STALE" in result.stdout


def test_the_recipe_knows_commands_settings_code_and_what_lies_before(inside):
    every = jobs(load(Path("config/small.yaml"), Preset))
    before = recipes(every)
    for task in (task for job in every for task in job.tasks if task.stage == "build-pool"):
        task.__dict__["code"] = "other"  # a cached property
    after = recipes(every)
    differ = {p.split("/")[2] for p in before if before[p] != after[p]}
    assert {"pools", "models", "samples", "metrics", "tables"} <= differ
    assert (
        before["results/small/models/moons/straight/seed0.safetensors"]
        == (after["results/small/models/moons/straight/seed0.safetensors"])
    )


def test_publishing_refuses_altered_artefacts(inside):
    path = Path("results/small/samples/moons/fm,nfe=10/seed0-0.npy")
    with tampered("results/small", "results/published"):
        flip(path)
        result = inside.nsgf("publish", "--preset", "config/small.yaml")
    assert result.returncode == 1
    assert str(path) in result.stderr


def test_mistakes_are_one_message(inside):
    for words in (["audit", "elsewhere"], ["audit", "results/small", "--commit", "nothing"]):
        result = inside.nsgf(*words)
        assert result.returncode == 1
        assert result.stderr.count("nsgf: ") == 1
        assert "Traceback" not in result.stderr

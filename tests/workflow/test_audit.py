"""The audit: silent on what is sound, and loud, by name, on everything that is not."""

import errno
import hashlib
import json
import platform
import re
import shutil
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from nsgf.artifact import SIDECAR, sha256_file
from nsgf.config.base import load, parse
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.lineage import recipes
from nsgf.engine.task import with_sidecars
from nsgf.errors import NsgfError
from nsgf.ops.audit import cells, chain, checks, repeat, subject, tracked, verdict
from nsgf.ops.audit import run as auditing
from nsgf.ops.audit.checks import Finding
from nsgf.ops.audit.git import Commit
from tests.workflow.checkout import both_kinds, planar
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


def sidecars() -> list[Path]:
    return [p for f in ("results/small", "data") for p in Path(f).rglob(f"*{SIDECAR}")]


def forge(path: Path, change: Callable[[Path], None] = flip) -> None:
    """Other bytes, and every digest of them in the run's provenance made to fit."""
    if path.name.endswith(SIDECAR):
        body = json.loads(path.read_text())
        body["machine"]["cores"] += 1
        path.write_text(json.dumps(body))
        return
    before = sha256_file(path)
    change(path)
    follow({before: sha256_file(path)})


def follow(changed: dict[str, str]) -> None:
    """Put new digests for old ones in all provenance, which names provenance too."""
    every = {file: file.read_text() for file in sidecars()}
    while changed:
        old, new = changed.popitem()
        for file, text in every.items():
            if old in text:
                known = sha256_file(file)
                every[file] = text.replace(old, new)
                file.write_text(every[file])
                changed[known] = sha256_file(file)


def rename(path: Path) -> None:
    """Forged, and said to be made on another processor: bytes would be no concern of the record."""
    forge(path)
    for file in (p for p in [path, Path(f"{path}{SIDECAR}")] if p.name.endswith(SIDECAR)):
        if file.exists():
            claim(file)


def claim(file: Path) -> None:
    """Provenance that tells of other numerics."""
    body = json.loads(file.read_text())
    body["machine"]["processor"] = "another"
    body["numerics"] |= {"processor": "another"}
    file.write_text(json.dumps(body))


def misstate(path: Path) -> None:
    """The same bytes, said to be made with other numerics; what names the provenance follows."""
    file = Path(str(path).removesuffix(SIDECAR) + SIDECAR)
    before = sha256_file(file)
    claim(file)
    follow({before: sha256_file(file)})


def pose(numerics: bool = True) -> None:
    """The whole run as one that was made on another processor, with times of its own."""
    before = {file: sha256_file(file) for file in sidecars() if numerics}
    for file in before:
        claim(file)
    follow({digest: sha256_file(file) for file, digest in before.items()})
    for file in Path("results/small/timings").glob("*.tsv"):
        file.write_text(file.read_text() + "\n")


OPERATIONS = (flip, truncate, delete, swap, forge, rename, misstate)


@pytest.fixture
def inside(published, monkeypatch) -> Clone:
    monkeypatch.chdir(published.folder)
    return published


@pytest.fixture
def anywhere(monkeypatch) -> None:
    """Judged as a native run is, whose provenance may name any machine."""
    monkeypatch.setattr(checks, "_impossible", lambda config, key: None)


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


def of_results() -> subject.Audited:
    """The small run by this commit."""
    return subject.of_results(Commit(), load(Path("config/small.yaml"), Preset))


def findings() -> list[Finding]:
    return of_results()[1]


def judged(repeated: Iterable[str] = ()) -> verdict.Verdict:
    """The verdict, with those tasks repeated that would be and that make one of these artefacts."""
    run, wrong = of_results()
    due = repeat.chosen(run, {f.path for f in wrong}, 0, None)
    work = [t for t in due.tasks if not set(repeated).isdisjoint(t.artefacts)]
    again = repeat.repeat(run, work)
    found = [*wrong, *(f for r in again for f in r.found)]
    return verdict.verdict(run, found, again, due.passed_over)


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
        monkeypatch.setattr(checks, "data", lambda run: iter(()))
        monkeypatch.setattr(hashlib, "file_digest", images_once)
    with tampered("results/small", *(["data/processed"] if kind.startswith("fetch") else [])):
        operation(path)
        named = [f for f in findings() if f.kind != "rests on"]
    artefact = str(path).removesuffix(SIDECAR)
    mine = [f for f in named if f.path.removesuffix(SIDECAR) == artefact]
    assert mine
    if operation is misstate and not kind.startswith("fetch"):  # downloads have no such settings
        assert mine[0].kind == "forged"
        assert "ask for portable numerics" in mine[0].why


def test_numerics_that_the_settings_exclude_are_forged_in_a_run_of_ones_own_too(inside):
    kept = {path: path.read_bytes() for path in sidecars()}
    with tampered("results/small", "data/processed"):
        pose()
        found = findings()
    computed = {p for k, paths in KINDS.items() if not k.startswith("fetch") for p in paths}
    assert {(f.kind, f.path) for f in found} == {
        ("forged", p) for p in computed if not p.endswith(SIDECAR)
    }
    assert kept == {path: path.read_bytes() for path in sidecars()}, "its neighbours' data"


def test_there_are_enough_kinds_of_artefact():
    stages = {kind.split()[0] for kind in KINDS}
    assert stages >= {"fetch", "build-pool", "train", "sample", "evaluate", "table", "figure"}
    assert len(KINDS) * len(OPERATIONS) > 100


def test_a_clean_run_is_sound(inside):
    result = inside.nsgf("audit", "results/small", "--recompute", "2", "--json", "audit.json")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith("This is the committed run")
    told = json.loads(Path("audit.json").read_text())
    Path("audit.json").unlink()
    assert told["sound"]
    assert {"table-table1", "table-table3", "claims", "table-targets"} < set(told["repeated"])
    assert len(told["repeated"]) == 7
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

    run, _ = of_results()
    inputs = {path: list(file.body["inputs"]) for path, file in run.files.items()}
    found = list(chain.numbers("small", Path("results/small"), inputs))
    tables = {p.stem: pd.read_csv(p) for p in Path("results/small/tables").glob("*.csv")}
    measured = {name: "tau" if name.endswith("-print") else "mean" for name in tables}
    rows = sum(table[measured[name]].notna().sum() for name, table in tables.items())
    fits = [t["scale"].notna().sum() for name, t in tables.items() if name.endswith("-print")]
    assert len(found) == rows + sum(fits) + 6
    assert all(n.files for n in found)
    (read,) = {n.files for n in found if n.table == "claims"}
    assert {chain.part(p) for p in read} >= {"tables", "samples", "timings"}


def test_a_claim_of_another_paper_rests_on_what_its_task_read(tmp_path):
    (tmp_path / "timings").mkdir()
    (tmp_path / "timings/claims.csv").write_text("claim,verdict\n71,reproduced\n")
    read = ["results/mine/tables/shapes.csv"]
    (number,) = chain.numbers("mine", tmp_path, {"results/mine/timings/claims.csv": read})
    assert (number.label, number.files) == ("claim 71", tuple(read))


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


def test_a_run_of_ones_own_is_told_from_the_recorded_one(inside, anywhere):
    """The same bytes with other provenance: a run of one's own if it has times of its own."""
    with tampered("results/small", "data/processed"):
        forge(Path(VELOCITY + SIDECAR))
        assert {f.kind for f in findings()} >= {"remade"}
        pose()
        assert findings() == []
        assert judged().name == "same bytes"


def scale(path: Path, text: str = r"(?<=[ :])-?\d+\.\d+", factor: float = 0.5) -> None:
    """Numbers of a JSON file moved; whole ones are counts."""
    path.write_text(re.sub(text, lambda n: str(float(n[0]) * factor), path.read_text()))


def move(path: Path) -> None:
    """What was measured of a cell, by 1 %."""
    scale(path, r'(?<="value": )\S+', 1.01)


HELD = {  # what no numerics change, and what is made again
    "fetch": "data/processed/mnist/test_images.npy",
    "evaluate": "results/small/metrics/mnist/straight.json",
    "reference": "results/small/samples/moons/reference/test.json",
    "targets": "results/small/metrics/moons/targets.json",
    "table": "results/small/tables/table1.md",
    "figure": "results/small/figures/figure4.png",
}


@pytest.mark.parametrize("path", map(Path, HELD.values()), ids=HELD)
def test_a_forgery_that_poses_as_a_rerun_on_another_machine_is_caught(inside, path, anywhere):
    with tampered("results/small", "data/processed"):
        forge(path, scale if path.suffix == ".json" else flip)
        pose()
        found = judged([str(path)])
    assert found.name == "forged"
    assert str(path.parent if path.parts[0] == "data" else path) in found.line


@pytest.mark.parametrize("cell", ["moons/fm,nfe=10", "*/*"])
def test_numbers_that_were_moved_within_the_intervals_are_caught(inside, cell, anywhere):
    """With tables and claims that follow from them, posing as a rerun on another machine."""
    every = [Path(p) for p in KINDS["evaluate json"]]
    files = [p for p in every if p.match(f"metrics/{cell}.json")]
    wanted = [p for k in ("table csv", "claims csv", "figure pdf") for p in KINDS[k]]
    with tampered("results/small", "data/processed"):
        for path in files:
            forge(path, move)
        made = inside.nsgf("make", *wanted, "--preset", "config/small.yaml")
        assert made.returncode == 0, made.stderr
        pose()
        run, wrong = of_results()
        assert wrong == []
        beside = cells.cells(run.record, run.root)
        assert all(cell.agrees for cell in beside)
        assert max(cell.furthest for cell in beside) > 0
        due = {t.job for t in repeat.chosen(run, set(), 0, None).tasks if t.stage == "evaluate"}
        found = judged([str(files[0])])
    assert len(due) == len(files)
    assert found.name == "forged"


def test_samples_that_were_made_up_do_not_give_the_recorded_metrics(inside, anywhere):
    import numpy as np

    metrics = "results/small/metrics/moons/fm,nfe=10.json"
    with tampered("results/small", "data/processed"):
        path = Path("results/small/samples/moons/fm,nfe=10/seed0-0.npy")
        forge(path, lambda file: np.save(file, np.load(file) + np.float32(0.1)))
        pose()
        found = judged([metrics])
    assert found.name == "forged"
    assert metrics in found.line


def test_the_recorded_numerics_owe_the_recorded_bytes_and_unknown_ones_do_not(inside):
    with tampered("results/small"):
        forge(Path(VELOCITY))
        pose(numerics=False)
        run, wrong = of_results()
        rows = {path: row._replace(numerics=None) for path, row in run.record.artefacts.items()}
        unknown = replace(run, record=replace(run.record, artefacts=rows))
        assert list(checks.by_record(unknown)) == []
        assert "are not known" in verdict.verdict(unknown, [], [], []).line
    (found,) = [f for f in wrong if f.path == VELOCITY]
    assert found.kind == "forged"
    assert "with the recorded numerics" in found.why


def test_the_first_line_says_how_much_was_not_repeated(inside, anywhere, monkeypatch):
    """Samples are another machine's, and to measure them again takes long."""
    import numpy as np

    with tampered("results/small", "data/processed"):
        path = Path("results/small/samples/moons/fm,nfe=10/seed0-0.npy")
        forge(path, lambda file: np.save(file, np.load(file) + np.float32(0.1)))
        pose()
        whole = judged()
        monkeypatch.setattr(repeat, "CHEAP", 0.0)
        found = judged()
    assert "NOT repeated" not in whole.line
    assert whole.passed_over == ()
    assert found.name == "same within seeds"
    assert f"lack files: {len(found.passed_over)} of the jobs that measured" in found.line
    assert "moons-evaluate-fm_nfe-10" in found.passed_over
    assert f"Not repeated: {', '.join(found.passed_over)}" in found.notes


def test_a_network_that_was_made_up_consistently_is_said_to_be_beyond_an_audit(inside, anywhere):
    with tampered("results/small", "data/processed"):
        forge(Path(VELOCITY))
        pose()
        found = judged()
    assert found.name == "same within seeds"
    assert "made up consistently" in found.notes[-1]


def test_a_cell_beyond_its_margin_is_said_to_differ(inside):
    record = of_results()[0].record
    path = Path("results/small/tables/table1.csv")
    with tampered("results/small"):
        row = next(line for line in path.read_text().splitlines() if ",fm,moons,10,w2," in line)
        mean, low, high = (float(v) for v in row.split(",")[-6:-3])
        for share, agrees in ((0.9, True), (1.1, False)):
            moved = row.replace(f"{mean:g},{low:g}", f"{mean + share * (high - low) / 2},{low:g}")
            assert moved != row
            path.write_text(path.read_text().replace(row, moved))
            (cell,) = [c for c in cells.cells(record, Path("results/small")) if c.furthest > 0]
            assert (cell.label, cell.agrees) == ("fm moons 10 w2", agrees)
            path.write_text(path.read_text().replace(moved, row))


@pytest.fixture(scope="module")
def rerun(tmp_path_factory) -> Clone:
    """A native run that a commit records, and its network trained again with other instructions."""
    whole = planar("small", ["fm"], {"samples": 16})
    whole["studies"]["table1"]["compute"] |= {"numerics": "native"}
    clone = Clone(tmp_path_factory.mktemp("rerun") / "clone", whole, quickly=False)
    clone.timed.unlink()
    clone.timed.mkdir()  # the machine's speed cannot be kept, which is no reason not to run
    clone.commit("Start without its speed")
    run = clone.reproduce()
    assert run.returncode == 0, run.stdout + run.stderr
    assert "The forecast is that of the reference machine: " in run.stdout
    assert clone.nsgf("publish", "--preset", "config/small.yaml").returncode == 0
    clone.commit("Publish")
    cell = "moons/fm,nfe=10"
    for folder in ("models/moons/straight", f"samples/{cell}", "tables"):
        shutil.rmtree(clone.results / folder)
    (clone.results / f"metrics/{cell}.json").unlink()
    clone.environment |= {"ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "2"}
    return clone


@pytest.mark.skipif(platform.machine() != "x86_64", reason="asks for vector instructions of x86")
def test_an_honest_rerun_with_other_numerics_is_told_that_it_reproduces(rerun):
    said = "Your run reproduces the committed one: "
    run = rerun.reproduce()
    assert run.returncode == 0, run.stdout + run.stderr
    line = run.stdout.splitlines()[-1]
    count, of, total = line.removeprefix(said).split()[:3]
    assert (count, of) == (total, "of")
    assert " cells agree within seed noise; bytes differ because your numerics are of" in line
    here = rerun.nsgf("audit", "results/small", "--json", "audit.json")
    assert here.returncode == 0, here.stdout + here.stderr
    assert here.stdout.startswith(said)
    told = json.loads((rerun.folder / "audit.json").read_text())
    assert told["verdict"]["name"] == "same within seeds"
    assert {"moons-evaluate-fm_nfe-10", "table-table1"} < set(told["repeated"])
    del rerun.environment["ATEN_CPU_CAPABILITY"]  # a machine that has other numerics than the run
    elsewhere = rerun.nsgf("audit", "results/small")
    assert elsewhere.returncode == 0, elsewhere.stdout + elsewhere.stderr
    assert elsewhere.stdout.startswith(said)


def test_the_page_for_reviewers_says_what_the_audit_says(inside):
    page = Path("results/small/evaluation.md")
    with tampered("results/small"):
        result = inside.nsgf("badge", "--preset", "small")
        assert result.returncode == 0, result.stderr
        text = page.read_text()
    assert "**This is the committed run" in text
    assert "ran 5 jobs again" in text
    assert f"judged by commit | {inside.git('rev-parse', 'HEAD')}" in text
    assert text.count("| inconclusive | inconclusive |") >= 3


def test_the_page_of_a_run_that_is_not_sound_says_so_and_so_does_the_exit_code(inside):
    with tampered("results/small"):
        flip(Path(VELOCITY))
        result = inside.nsgf("badge", "--preset", "small")
        text = Path("results/small/evaluation.md").read_text()
    assert result.returncode == 1
    assert "nsgf: results/small is not sound: " in result.stderr
    assert f"**This is not what it says it is: {VELOCITY} is altered" in text


def glance(file: str = "config/small.yaml") -> str:
    return auditing.glance(load(Path(file), Preset), Path(file))


def test_a_run_is_held_against_the_commit_however_its_preset_is_named(inside, tmp_path):
    other = tmp_path / "small.yaml"
    shutil.copy2("config/small.yaml", other)
    for file in ("config/small.yaml", "config/../config/small.yaml", Path("config/small.yaml")):
        assert glance(str(Path(file).absolute())).startswith("This is the committed run")
    assert "has no record of small" in glance(str(other))


def merge(clone: Clone, path: str) -> None:
    """A conflict that somebody has committed."""
    file = clone.folder / path
    file.write_text(f"<<<<<<< HEAD\n{file.read_text()}=======\n>>>>>>> main\n")
    clone.commit("Merge")


def lose(clone: Clone, path: str) -> None:
    """A disk that has lost an object of the repository."""
    name = clone.git("rev-parse", f"HEAD:{path}")
    (clone.folder / f".git/objects/{name[:2]}/{name[2:]}").unlink()


@pytest.mark.parametrize("damage", [merge, lose])
@pytest.mark.parametrize("path", ["results/published/small/MANIFEST.json", "dvc.lock"])
def test_a_damaged_commit_ends_a_run_with_a_line(inside, tmp_path, monkeypatch, damage, path):
    clone = Clone.of(inside, tmp_path / "clone")
    monkeypatch.chdir(clone.folder)
    damage(clone, path)
    line = glance()
    assert line.startswith("Not held against a committed run: ")
    assert "\n" not in line
    result = clone.nsgf("audit", "results/small")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr


def test_a_table_that_is_damaged_in_the_commit_is_named(inside):
    record = of_results()[0].record
    damaged = replace(record, read=lambda path: record.read(path).replace(b",0.", b",o."))
    with pytest.raises(NsgfError, match=r"commit's tables/\w+\.csv cannot be read"):
        cells.cells(damaged, Path("results/small"))


def test_neither_a_missing_git_nor_a_failing_disk_fails_a_run(inside, monkeypatch):
    def fails(commit: Commit, preset: Preset):
        raise OSError(errno.EIO, "Input/output error", "results/small/tables/table1.csv")

    with monkeypatch.context() as patch:
        patch.setattr(subject, "of_results", fails)
        assert "Input/output error" in glance()
    monkeypatch.setenv("PATH", "")
    assert "git does not start" in glance()


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

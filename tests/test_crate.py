"""The crate of a tiny run: what the public validator says of it, and when there is none."""

import json
import shutil
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest

from nsgf.artifact import sha256_file
from tests import tiny_run
from tests.crates import validate, verdict

# Recommended, but we have nothing true to say: the libraries' own addresses, a publisher, and a
# person who ran it unless one is named; and one check that wants the profiles' own types as ids.
SILENT = ("url", "URL", "publisher", "agent", "absolute URI")


@pytest.fixture(scope="module")
def crate(small) -> Path:
    result = small.nsgf("crate", "--preset", "config/small.yaml", "--out", "crate")
    assert result.returncode == 0, result.stderr
    return small.folder / "crate"


def entities(crate: Path) -> dict[str, dict]:
    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    return {entity["@id"]: entity for entity in graph}


def test_the_public_validator_finds_nothing_wrong(crate, tmp_path):
    assert validate(crate, tmp_path) == []


def test_nothing_recommended_is_left_out_but_what_nobody_knows(crate, tmp_path):
    said = [issue["message"] for issue in validate(crate, tmp_path, "RECOMMENDED")]
    assert [text for text in said if not any(word in text for word in SILENT)] == []


@pytest.mark.parametrize(
    ("id_", "key", "value"),
    [
        ("#run", "instrument", None),
        ("#run", "notATerm", "x"),
        ("./", "license", None),
        ("results/small/tables/table1.csv", "@id", "results/small/tables/table9.csv"),
    ],
)
def test_the_validator_is_really_asked(crate, tmp_path, id_, key, value):
    path = shutil.copytree(crate, tmp_path / "crate") / "ro-crate-metadata.json"
    whole = json.loads(path.read_text())
    (entity,) = [e for e in whole["@graph"] if e["@id"] == id_]
    entity[key] = value
    if value is None:
        del entity[key]
    path.write_text(json.dumps(whole))
    assert validate(path.parent, tmp_path)


def test_every_file_is_described_by_its_digest_size_and_format(crate):
    known = entities(crate)
    held = [p for p in crate.rglob("*") if p.is_file() and p.name != "ro-crate-metadata.json"]
    assert len(held) > 100
    for path in held:
        entity = known[quote(str(path.relative_to(crate)))]
        assert entity["sha256"] == sha256_file(path)
        assert entity["contentSize"] == str(path.stat().st_size)
        assert entity["encodingFormat"]


def test_a_job_tells_its_command_tool_inputs_results_and_times(crate):
    known = entities(crate)
    job, preset = known["#job/moons-train-velocity-0"], "results/small/config/preset.json"
    command = f"nsgf make --preset {preset} --job moons-train-velocity-0"
    assert job["description"] == command
    assert job["instrument"] == {"@id": "src/nsgf/stages/train.py"}
    assert {"@id": preset} in job["object"]
    assert {"@id": "results/small/pools/moons/flow/seed1/shard0/v.npy"} in job["object"]
    results = [r["@id"] for r in job["result"]]
    assert "results/small/models/moons/velocity/seed0.safetensors" in results
    assert "results/small/models/moons/velocity/seed1.safetensors" in results
    assert known["#run"]["startTime"] <= job["startTime"] < job["endTime"]
    assert known["#control/moons-train-velocity-0"]["object"] == {"@id": job["@id"]}
    for reference in [*job["object"], *job["result"], *job["additionalProperty"]]:
        assert reference["@id"] in known


def test_large_kinds_can_be_left_out_and_are_named_by_digest(small, tmp_path):
    out = tmp_path / "crate.zip"
    words = ["--preset", "config/small.yaml", "--without", "pools,samples", "--out", str(out)]
    assert small.nsgf("crate", *words).returncode == 0
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "out")
    assert not [n for n in names if "/pools/" in n or "/samples/" in n]
    path = "results/small/samples/moons/fm,nfe=10/seed0-0.npy"
    entity = entities(tmp_path / "out")[f"#not-included/{quote(path)}"]
    assert entity["sha256"] == sha256_file(small.folder / path)
    said = verdict(out, tmp_path)
    assert said.startswith("exit code 0")
    assert "is a valid provenance-run-crate" in said


def test_the_same_run_gives_the_same_bytes(small, tmp_path):
    for name in ("a.zip", "b.zip"):
        words = ["--preset", "config/small.yaml", "--out", str(tmp_path / name)]
        assert small.nsgf("crate", *words).returncode == 0
    assert sha256_file(tmp_path / "a.zip") == sha256_file(tmp_path / "b.zip")


@pytest.mark.parametrize(
    ("file", "damage", "says"),
    [
        ("tables/table1.csv", lambda p: p.unlink(), "missing:"),
        ("tables/table1.csv", lambda p: p.write_text("x"), "altered:"),
        (
            "models/moons/straight/seed0.safetensors.prov.json",
            lambda p: p.write_text(p.read_text().replace('"code": "', '"code": "0')),
            "stale:",
        ),
        ("tables/table1.csv.prov.json", lambda p: p.write_text("[]"), "no provenance:"),
        (
            "config/preset.json",
            lambda p: p.write_text(p.read_text().replace("}", ' ,"x": "https://me:pw@host"}', 1)),
            "an address with a password",
        ),
    ],
)
def test_an_unfinished_or_altered_run_is_one_message(small, tmp_path, file, damage, says):
    path = small.results / file
    kept = path.read_bytes()
    try:
        damage(path)
        words = ["--preset", "config/small.yaml", "--out", str(tmp_path / "crate")]
        result = small.nsgf("crate", *words)
    finally:
        path.write_bytes(kept)
    assert result.returncode == 1
    assert says in result.stderr
    assert path.name.removesuffix(".prov.json") in result.stderr
    assert "Traceback" not in result.stderr
    assert not any(tmp_path.iterdir())


def test_a_folder_that_exists_is_left_alone(small, crate):
    before = sorted(crate.rglob("*"))
    result = small.nsgf("crate", "--preset", "config/small.yaml", "--out", "crate")
    assert result.returncode == 1
    assert "exists" in result.stderr
    assert sorted(crate.rglob("*")) == before


def test_neither_the_run_nor_its_crate_holds_secrets_or_local_folders(small, crate):
    made = [p for p in small.folder.rglob("*") if p.is_file() and not p.is_symlink()]
    outside = [p for p in made if ".snakemake" not in p.parts]
    assert len(outside) > 200
    for path in outside:
        text = path.read_bytes().decode("latin1")
        assert [name for name, value in tiny_run.SECRETS.items() if value in text] == [], path
        if crate in path.parents:
            assert str(small.folder) not in text, path
            assert str(Path.home()) + "/" not in text, path

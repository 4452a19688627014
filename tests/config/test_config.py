"""Configuration: strict, frozen, with errors that name the nearest key; presets and schema."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from nsgf.config.base import load, parse
from nsgf.config.find import preset_file
from nsgf.config.preset import Preset
from nsgf.config.published import Published, published_of
from nsgf.errors import NsgfError
from nsgf.layout import paper_file
from nsgf.ops import schema
from nsgf.registry import DATASETS, METHODS

PRESETS = ["quick", "cpu", "paper"]


@pytest.fixture
def quick():
    return yaml.safe_load(Path("config/quick.yaml").read_text())


def refusal(value) -> str:
    with pytest.raises(NsgfError) as caught:
        parse(value, Preset, "quick.yaml")
    return str(caught.value)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_possible_and_frozen(name):
    preset = load(f"config/{name}.yaml", Preset)
    assert preset.name == name
    assert bool(preset.reduced) == (name != "paper")
    assert ("Reduced run" in preset.title) == bool(preset.reduced)
    with pytest.raises(ValidationError):
        preset.seed = 1


def test_an_unknown_key_names_the_nearest(quick):
    quick["studies"]["table1"]["networks"]["velocity"]["iteration"] = 3
    message = refusal(quick)
    assert "studies.table1.networks.velocity.iteration" in message
    assert "nearest known key: 'iterations'" in message


def test_an_unknown_metric_of_a_kind_names_the_nearest(quick):
    quick["studies"]["table3"]["metrics"]["n_tests"] = 3
    message = refusal(quick)
    assert "studies.table3" in message
    assert "unknown key 'metrics.n_tests' (nearest known key: 'n_test')" in message


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (["judging"], {"confidence": 95}, "less than 1"),
        (["studies", "table1", "flow", "blur"], -0.5, "greater than 0"),
        (["studies", "table1", "flow", "blur"], "0.5 px", "valid number"),
        (["studies", "table1", "kind"], "planr", "unknown kind of study 'planr'; did you mean"),
        (["studies", "table1", "kind"], "images", "unknown key 'metrics.floor_draws'"),
        (["studies", "table3", "kind"], "planar", "unknown key 'metrics.n_floor'"),
        (["studies", "table1", "datasets"], ["moon"], "unknown data set 'moon'; did you mean"),
        (["studies", "table1", "datasets"], ["mnist"], "has images: write kind: images"),
        (["studies", "table3", "datasets"], ["moons"], "coefficients is for image sets"),
        (["studies", "table1", "datasets"], ["moons", "moons"], "listed twice"),
        (["studies", "table1", "methods"], {"nsgf": {}, "otcfm": {}}, "did you mean 'ot_cfm'"),
        (["studies", "table1", "methods"], {"nsgf++": {}}, "needs networks.phase"),
        (["studies", "table1", "methods"], {"1-rf": {}}, "prints 'fm'"),
        (["studies", "table1", "flow"], None, "learns from a pool: give flow and pool"),
        (["studies", "table3", "flow", "backend"], "geomloss", "needs flow.backend newton"),
        (["studies", "table1", "flow", "backend"], "sinkhorn", "'newton'"),
        (["studies", "table1", "targets", "scalings"], [0.9], "lacks 0.8"),
        (["studies", "table1", "targets", "scalings"], [], "at least 1 item"),
        (["studies", "table1", "targets"], None, "no study with targets has 'moons'"),
        (["figures", "targets", "study"], "table1", "datasets and nothing else"),
        (["figures", "figure3", "methods"], ["nsgf++"], "has no 'nsgf++'"),
        (["studies", "table1", "nfe"], [], "needs nfe, which is empty"),
        (["studies", "table1", "nfe"], [0], "greater than or equal to 1"),
        (["studies", "table3", "methods"], {"straight": {}}, "takes its NFE from 'nsgf++'"),
        (["studies", "table3", "sweep"], {"flow.blur": [1, 2]}, "'nsgf++', which has 2 cells"),
        (["studies", "table3", "networks", "straight", "net", "patch"], 3, "does not divide"),
        (["studies", "table3", "networks", "straight", "net", "multipliers"], [1, 2, 2], "levels"),
        (["studies", "table3", "networks", "straight", "warmup"], 10**6, "does not end within"),
        (["figures", "figure3", "datasets"], ["scurve"], "has no 'scurve'"),
        (["figures", "figure3", "study"], "table2", "which is not given"),
        (
            ["studies", "table1", "networks", "velocity", "net"],
            {"kind": "phase_cnn"},
            "is a time, not a field",
        ),
        (
            ["studies", "table1", "networks", "velocity", "net"],
            {"kind": "unet", "channels": 32, "multipliers": [1, 2]},
            "cannot read points of shape",
        ),
        (["studies", "table3", "networks", "phase", "net"], {"kind": "mlp"}, "not a time"),
        (["studies", "table3", "networks", "straight", "net", "heads"], 5, "attention heads"),
        (["studies", "table1", "metrics", "features"], ["effnet_lite0"], "metrics.features"),
        (["studies", "table1", "sampling", "solver"], "rk4", "multiples of 4"),
        (["studies", "table3", "sampling", "solver"], "dopri5", "euler alone"),
        (["studies", "table1", "sampling", "solver"], "dopri5", "does not keep"),
        (["studies", "table1", "pool", "shards"], 65, "64 batches"),
        (["studies", "table3", "shards"], {"sample": 5}, "5 jobs, but 4 batches of 250"),
        (["studies", "table3", "shards"], {"features": 9}, "9 jobs, but 8 batches of 128"),
        (["studies", "table1", "shards"], {"features": 2}, "other data sets have no features"),
        (["studies", "table3", "sampling", "n_samples"], 5, "too few for metrics.neighbours"),
        (["figures", "figure3", "nfe"], 100, "is not one of"),
        (["figures", "figure3", "nfe"], None, "shows nothing: give nfe, one of [10]"),
        (["figures", "figure3", "kind"], "phases", "shows image sets"),
        (["figures", "figure3", "kind"], "pahts", "unknown kind of figure 'pahts'; did you mean"),
        (["figures", "figure3", "kind"], "heatmap", "x is None, none of what study"),
    ],
)
def test_what_is_not_possible_is_refused_in_words(quick, path, value, says):
    place = quick
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    message = refusal(quick)
    assert says in message
    assert "mend" in message


def test_a_missing_preset_names_those_that_are_there():
    with pytest.raises(NsgfError, match="quick"):
        load("config/quik.yaml", Preset)


def test_broken_yaml_is_one_message(tmp_path):
    (tmp_path / "a.yaml").write_text("a: [1")
    with pytest.raises(NsgfError, match="not valid YAML"):
        load(tmp_path / "a.yaml", Preset)
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NsgfError, match="not valid YAML"):
        load(tmp_path / "a.yaml", Preset)


def test_a_key_that_stands_twice_is_refused(tmp_path):
    """YAML takes the last of them, silently."""
    text = (
        Path("config/quick.yaml").read_text().replace("      fm: {}", "      fm: {}\n      fm: {}")
    )
    (tmp_path / "quick.yaml").write_text(text)
    with pytest.raises(NsgfError, match=r"key 'fm' stands twice.*line \d+"):
        load(tmp_path / "quick.yaml", Preset)


def test_a_classifier_that_is_not_trained_cannot_measure(quick):
    del quick["studies"]["table3"]["networks"]["classifier"]
    assert "give networks.classifier" in refusal(quick)


def test_a_part_is_a_study_or_all_of_one_name_and_exact_names_go_first():
    cpu = load("config/cpu.yaml", Preset)
    family = cpu.part("swjko")
    assert all(name.startswith("swjko-") for name in family.running)
    assert (len(family.running), family.publication) == (6, "cpu-swjko")
    body = cpu.model_dump(mode="json")
    body["studies"]["swjko"] = body["studies"]["swjko-gathering"]
    assert list(parse(body, Preset, "test").part("swjko").running) == ["swjko"]
    with pytest.raises(NsgfError, match="names data sets of 6 studies"):
        cpu.part("swjko/ring")
    assert list(cpu.part("table1/moons,scurve").running["table1"].datasets) == ["moons", "scurve"]


def test_the_schema_is_the_models(tmp_path):
    schema.run(tmp_path / "schema.json")
    committed = Path("workflow/schemas/preset.schema.json").read_text()
    assert committed == (tmp_path / "schema.json").read_text(), (
        "run: nsgf schema --out workflow/schemas/preset.schema.json"
    )


def test_every_setting_says_its_unit_or_meaning():
    bare = []
    for name, model in schema.schema()["$defs"].items():
        for key, field in model["properties"].items():
            numeric = "exclusiveMinimum" in field or "minimum" in field
            if numeric and not field.get("description"):
                bare.append(f"{name}.{key}")
    assert bare == []


PAPER = Path("config/published/nsgf.yaml")


def test_printed_numbers_name_known_methods_and_data_sets():
    published = published_of(PAPER)
    for table in published.tables.values():
        for metric in table.metrics().values():
            for row in metric.values:
                assert row.method in published.methods
                assert set(row.values) <= set(DATASETS)
    assert "straight" in set(METHODS) - set(published.methods)
    assert {"nsgf", "nsgf++", "fm", "ot_cfm", "1-rf"} <= set(METHODS) & set(published.methods)


@pytest.mark.parametrize("name", PRESETS)
def test_a_study_of_a_paper_has_a_printed_table(name):
    studies = load(f"config/{name}.yaml", Preset).studies
    held = {n: s.paper for n, s in studies.items() if s.paper}
    assert held.keys() >= {"table1", "table3"}
    assert all(n in published_of(Path(paper_file(paper))).tables for n, paper in held.items())


def test_a_study_of_no_paper_has_nothing_printed():
    assert published_of(None) == Published()


def test_a_paper_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(NsgfError, match="beside it are: nsgf"):
        published_of(Path("config/published/nsgv.yaml"))


def test_table_1_is_transcribed_whole():
    rows = published_of(PAPER).tables["table1"].values
    assert len(rows) == 18
    assert all(len(row.values) == 5 for row in rows)
    nsgf = {row.nfe: row.values["moons"] for row in rows if row.method == "nsgf"}
    assert nsgf == {10: 0.077, 100: 0.067}


def test_a_preset_is_found_by_its_name_or_is_a_path():
    assert preset_file("cpu") == Path("config/cpu.yaml")
    for path in ("cpu.yaml", "config/cpu.yaml", "./cpu", "a/cpu.json"):
        assert preset_file(path) == Path(path)


@pytest.mark.parametrize("name", ["published", "datasets", "papr", ""])
def test_an_unknown_name_is_told_the_presets_and_nothing_else(name):
    with pytest.raises(NsgfError) as caught:
        preset_file(name)
    assert caught.value.what == f"unknown preset '{name}'"
    here = {path.stem for path in Path("config").glob("*.yaml")} - {"datasets", "tables"}
    assert caught.value.mend.endswith(f"known: {', '.join(sorted(here))}")


def test_a_preset_that_is_not_yaml_is_found_so_that_its_fault_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/mine.yaml").write_text("studies: [")
    with pytest.raises(NsgfError, match=r"mine\.yaml' is not valid YAML"):
        load(preset_file("mine"), Preset)


def test_a_name_outside_the_project_is_answered_with_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NsgfError, match="no folder 'config' here") as caught:
        preset_file("quick")
    assert "project's folder" in caught.value.mend

"""Cells: what a study varies, what it refuses, and what two studies share."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from nsgf.config.base import load, parse
from nsgf.config.cells import beside_nfe, cells
from nsgf.config.preset import Preset
from nsgf.config.published import published_of
from nsgf.engine.dag import jobs, tasks
from nsgf.errors import NsgfError
from nsgf.registry import ANY, METHODS, NETWORKS
from nsgf.report import tables
from tests.trials.house import small


def preset(changes: dict | None = None, **study) -> Preset:
    """One study of moons, `table1`, with changes; `changes` are of the preset."""
    return parse(small("mine", **study) | (changes or {}), Preset, "mine.yaml")


def found(**study) -> list[str]:
    """Paths of its cells."""
    return [cell.path for cell in cells(preset(**study).studies["table1"])]


def refusal(**study) -> str:
    with pytest.raises(NsgfError) as caught:
        preset(**study)
    return str(caught.value)


def test_a_row_without_settings_is_one_cell_of_the_studys():
    (cell,) = cells(preset(methods={"nsgf": {}}).studies["table1"])
    assert (cell.path, cell.name, cell.method, cell.label) == ("nsgf", "nsgf", "nsgf", "NSGF")
    assert (cell.flow.blur, cell.nfe, dict(cell.varied)) == (0.5, cell.flow.steps, {})


def test_a_list_of_values_makes_a_cell_of_each_and_all_combinations():
    row = {"flow.blur": [0.5, 1.0], "flow.step_size": [0.2, 0.3], "flow.tol": 1e-4}
    assert found(methods={"nsgf": row}) == [
        f"nsgf,flow.blur={blur},flow.step_size={step}" for blur in (0.5, 1.0) for step in (0.2, 0.3)
    ]
    study = preset(methods={"nsgf": row}).studies["table1"]
    assert {(c.flow.tol, c.pool.batches) for c in cells(study)} == {(1e-4, study.pool.batches)}
    assert tables.varied(study) == ["flow.blur", "flow.step_size"]


def test_a_list_of_mappings_makes_a_cell_of_each():
    cases = [{"flow.steps": 10}, {"flow.steps": 100, "flow.step_size": 0.035}]
    assert found(methods={"nsgf": cases}) == [
        "nsgf,flow.steps=10",
        "nsgf,flow.steps=100,flow.step_size=0.035",
    ]


def test_a_second_flow_of_the_same_steps_and_solver_is_not_dropped():
    cases = [{"flow.steps": 10}, {"flow.steps": 10, "flow.blur": 1.0}]
    whole = preset(methods={"nsgf": cases})
    made = {path for task in tasks(whole) for path in task.artefacts}
    for name in ("flow,flow.steps=10", "flow,flow.steps=10,flow.blur=1.0"):
        assert f"results/mine/pools/moons/{name}/seed0/shard0/x.npy" in made


def test_rows_of_one_method_have_their_own_names_and_labels():
    coarse = {"method": "nsgf", "label": "Coarse", "flow.blur": 2.0}
    study = preset(methods={"nsgf": {}, "coarse": coarse}).studies["table1"]
    assert [(c.path, c.method, c.label) for c in cells(study)] == [
        ("nsgf", "nsgf", "NSGF"),
        ("coarse", "nsgf", "Coarse"),
    ]
    assert tables.labels_of(study, published_of(None))["coarse"] == "Coarse"


def test_a_sweep_varies_the_methods_that_have_the_setting():
    sweep = {"flow.blur": [0.5, 1.0], "networks.straight.lr": [0.001, 0.01]}
    assert found(methods={"nsgf": {}, "fm": {"nfe": 3}}, sweep=sweep) == [
        "nsgf,flow.blur=0.5",
        "nsgf,flow.blur=1.0",
        "fm,networks.straight.lr=0.001",
        "fm,networks.straight.lr=0.01",
    ]


def test_what_a_row_says_itself_is_not_swept():
    methods = {"nsgf": {}, "fixed": {"method": "nsgf", "flow.blur": 2.0}}
    assert found(methods=methods, sweep={"flow.blur": [0.5, 1.0]})[2:] == ["fixed"]


def test_training_is_of_all_networks_and_networks_of_one():
    row = {"training.lr": 0.02, "networks.velocity.net.width": 12}
    (cell,) = cells(preset(methods={"nsgf": row}).studies["table1"])
    velocity = cell.networks["velocity"]
    assert (velocity.lr, velocity.net.width) == (0.02, 12)


@pytest.mark.parametrize(
    ("study", "says"),
    [
        ({"methods": {"nsgf": {"flow.blur": [0.5, 0.5]}}}, "'nsgf,flow.blur=0.5' is there twice"),
        ({"methods": {"nsgf": [{"flow.steps": 10}] * 2}}, "'nsgf,flow.steps=10' is there twice"),
        ({"methods": {"nsgf": {"flow.blurr": 1}}}, "'flow.blurr' (nearest known key: 'blur')"),
        ({"methods": {"nsgf": {"blur": 1}}}, "'blur' (nearest known key: 'flow.blur')"),
        ({"methods": {"nsgf": {"flw.blur": 1}}}, "'flw.blur' (nearest known key: 'flow.blur')"),
        ({"methods": {"nsgf": {"networks.velocity.net.widht": 8}}}, "(nearest known key: 'width')"),
        ({"methods": {"nsgf": {"flow.blur": -1}}}, "'flow.blur': Input should be greater than 0"),
        ({"methods": {"nsgf": {"flow.blur": [1, "x"]}}}, "'flow.blur': Input should be a valid"),
        ({"methods": {"nsgf": {"flow.blur": []}}}, "methods.nsgf.flow.blur: no values"),
        ({"methods": {"nsgf": {"nfe": 3}}}, "'nsgf' has no setting 'nfe'"),
        ({"methods": {"fm": {"flow.blur": 3}}}, "'fm' has no setting 'flow.blur'"),
        ({"methods": {"fm": {"nfe": [0]}}}, "nfe is 0, not a count of 1 or more"),
        ({"methods": {"fm": {"nfe": True}}}, "nfe is True, not a count"),
        ({"methods": {"fm": {}}, "nfe": [0]}, "greater than or equal to 1"),
        ({"methods": {"fm": {}}, "nfe": []}, "'fm' needs nfe, which is empty"),
        ({"methods": {"nsgf": {"method": "nsgff"}}}, "unknown method 'nsgff'; did you mean 'nsgf'"),
        ({"methods": {"a/b": {"method": "nsgf"}}}, "should match pattern"),
        ({"sweep": {"networks.velocty.lr": [0.1]}}, "none of the methods has a setting"),
        ({"sweep": {"flow.blurr": [0.1]}}, "'flow.blurr' (nearest known key: 'blur')"),
        ({"sweep": {"flow.blur": []}}, "sweep.flow.blur: no values"),
        ({"methods": {"nsgf": {"networks.velocity.net.kind": ["unet"]}}}, "'networks.velocity"),
        (
            {
                "methods": {"nsgf": {"flow.scaling": [0.5], "flow.backend": "geomloss"}},
                "targets": {},
            },
            "",
        ),
    ],
)
def test_what_is_not_possible_names_its_key(study, says):
    assert says in refusal(**study)


@pytest.mark.parametrize("value", ["../up", "a/b", "{seed}", "a b", ""])
def test_a_value_that_no_path_can_hold_is_refused(monkeypatch, value):
    free = replace(NETWORKS["straight"], options=ANY)  # a learner of one's own
    monkeypatch.setitem(NETWORKS, "straight", free)
    whole = small("mine", methods={"fm": {"networks.straight.options.how": ["plain", value]}})
    whole["studies"]["table1"]["networks"]["straight"]["options"] = {"how": "plain"}
    with pytest.raises(NsgfError, match="which no path can hold"):
        parse(whole, Preset, "mine.yaml")


MLP = {"net": {"kind": "mlp"}, "iterations": 60, "batch_size": 8, "lr": 1e-3}
EPT = MLP | {"net": {"kind": "potential_mlp"}}


@pytest.mark.parametrize(
    ("methods", "networks", "says"),
    [
        ({"fm": {}}, {"straight": MLP | {"options": {"pairs": 3}}}, "'straight' has no options"),
        ({"ept": {}}, {"ept": EPT | {"options": {"step": 3}}}, "nearest known key: 'steps'"),
        ({"ept": {}}, {"ept": EPT | {"options": {"steps": 0}}}, "'networks.ept.options.steps'"),
        ({"ept": {}}, {"ept": EPT | {"options": {"steps": 61}}}, "iterations: 60 for 61 moves"),
        ({"ept": {"networks.ept.options.penalty": [-1]}}, {"ept": EPT}, "options.penalty'"),
        ({"ept": {"nfe": 10}}, {"ept": EPT}, "'ept' has no setting 'nfe'"),
        (
            {"2-rf": {}},
            {"straight": MLP, "reflow_2": MLP | {"net": {"kind": "mlp", "width": 9}}},
            "it goes on from the weights of networks.straight",
        ),
        ({"3-rf": {}}, {"straight": MLP, "reflow_2": MLP}, "needs networks.reflow_3"),
        ({"ot_cfm-pool": {"flow.steps": 2}}, {"pairs": MLP}, "both ends of one step"),
    ],
)
def test_a_learners_own_settings_are_checked(methods, networks, says):
    assert says in refusal(methods=methods, networks=networks)


def test_a_method_of_moves_has_as_many_evaluations():
    ept = EPT | {"options": {"particles": 50}}
    row = {"networks.ept.options.steps": [5, 20]}
    found = cells(preset(methods={"ept": row}, networks={"ept": ept}).studies["table1"])
    assert [cell.nfe for cell in found] == [5, 20]
    assert found[0].networks["ept"].options == {"steps": 5, "particles": 50, "penalty": 0.5}


def test_a_straight_flow_between_stored_pairs_takes_any_number_of_steps():
    row = {"flow.steps": 1, "flow.backend": "exact", "nfe": [1, 7]}
    found = cells(preset(methods={"ot_cfm-pool": row}, networks={"pairs": MLP}).studies["table1"])
    assert [(cell.nfe, cell.flow.steps) for cell in found] == [(1, 1), (7, 1)]
    assert METHODS["nsgf"].follows_flow
    assert not METHODS["ot_cfm-pool"].follows_flow


def test_what_the_nfe_tells_needs_no_words():
    pair = ({"flow.steps": 10}, {"flow.steps": 100, "flow.step_size": 0.03})
    every = cells(preset(methods={"nsgf": pair}).studies["table1"])
    assert list(beside_nfe(every).values()) == [{}, {}]
    row = {"flow.steps": [5, 10], "flow.blur": [0.5, 1.0]}
    every = cells(preset(methods={"nsgf": row}).studies["table1"])
    assert [v["flow.blur"] for v in beside_nfe(every).values()] == [0.5, 1.0, 0.5, 1.0]


def test_a_network_that_a_row_changes_must_be_possible():
    whole = yaml.safe_load(Path("config/quick.yaml").read_text())
    whole["studies"]["table3"]["methods"] = {"nsgf++": {"networks.straight.net.patch": 3}}
    with pytest.raises(NsgfError, match="patch 3 does not divide"):
        parse(whole, Preset, "mine.yaml")


def test_a_map_of_a_sweep_of_three_is_refused():
    sweep = {"flow.blur": [0.5, 1], "flow.step_size": [0.2, 0.3], "training.lr": [0.01, 0.02]}
    shown = {"kind": "heatmap", "study": "table1", "datasets": ["moons"], "metric": "w2"}
    figure = shown | {"x": "flow.blur", "y": "flow.step_size"}
    whole = small("mine", methods={"nsgf": {}}, sweep=sweep) | {"figures": {"map": figure}}
    with pytest.raises(NsgfError, match=r"varies more than flow\.blur and flow\.step_size"):
        parse(whole, Preset, "mine.yaml")
    del sweep["training.lr"]
    parse(
        small("mine", methods={"nsgf": {}}, sweep=sweep) | {"figures": {"map": figure}}, Preset, ""
    )


def test_a_curve_is_over_one_setting_or_the_nfe():
    figure = {"kind": "curve", "study": "table1", "datasets": ["moons"], "metric": "w2"}

    def read(methods, **axes):
        parse(small("m", methods=methods) | {"figures": {"c": figure | axes}}, Preset, "")

    methods = {"fm": {"nfe": [1, 5]}, "nsgf": {"flow.steps": [2, 4]}}
    read(methods, x="nfe")
    read(methods, x="flow.steps")
    for axes, says in (({}, "x is None"), ({"x": "nfe", "y": "nfe"}, "takes no y")):
        with pytest.raises(NsgfError, match=says):
            read(methods, **axes)
    with pytest.raises(NsgfError, match=r"varies more than flow\.steps"):
        read({"nsgf": {"flow.steps": [2, 4], "flow.blur": [1, 2]}}, x="flow.steps")


def test_a_study_of_no_paper_has_no_printed_rows():
    study = preset(methods={"fm": {"nfe": 3}}).studies["table1"]
    assert study.paper is None
    row = {"metric": "w2", "value": 0.5, "floor": 0.2, "protocol": "exact", "n": 8}
    sets = [{"seed": s, "sample": 0, "cost": {"nfe": 3}, "metrics": [row]} for s in range(3)]
    (cell,) = cells(study)
    body = {"dataset": "moons", "method": "fm", "sets": sets, "cell": cell}
    made = tables.table("table1", [body], published_of(None), study, 0.95)
    assert made["published"].isna().all()
    assert made["verdict"].tolist() == [""]
    (table,) = (task for task in tasks(preset()) if task.stage == "table")
    assert "published" not in table.inputs
    assert not any(task.stage == "claims" for task in tasks(preset()))


def test_a_printed_value_is_held_against_one_setting_alone():
    """Which of several blurs is the paper's, nobody says; of several NFE each has its print."""
    cases = [
        {"flow.steps": 10, "flow.blur": 0.5},
        {"flow.steps": 10, "flow.blur": 1.0},
        {"flow.steps": 100, "flow.step_size": 0.035},
    ]
    study = preset(paper="nsgf", methods={"nsgf": cases}).studies["table1"]
    row = {"metric": "w2", "value": 0.5, "floor": 0.2, "protocol": "exact", "n": 1024}
    bodies = [
        {
            "dataset": "moons",
            "cell": cell,
            "sets": [
                {"seed": s, "sample": 0, "cost": {"nfe": cell.nfe}, "metrics": [row]}
                for s in range(3)
            ],
        }
        for cell in cells(study)
    ]
    made = tables.table(
        "table1", bodies, published_of(Path("config/published/nsgf.yaml")), study, 0.95
    )
    ours = made[made["verdict"] != tables.NOT_RUN]
    assert ours["published"].isna().tolist() == [True, True, False]
    assert ours["flow.blur"].tolist()[:2] == [0.5, 1.0]
    moons = made[(made["method"] == "nsgf") & (made["dataset"] == "moons")]
    assert moons["verdict"].eq(tables.NOT_RUN).sum() == 1  # the one at NFE 10


# ------------------------------------------------------------------- one data set in two studies


def two(**second) -> Preset:
    """A study of moons twice, the second with changes."""
    whole = small("mine", methods={"nsgf": {}, "fm": {"nfe": 3}})
    first = whole["studies"]["table1"] | {"targets": {"problems": 2, "scalings": [0.5]}}
    again = yaml.safe_load(yaml.safe_dump(first)) | second
    return parse(whole | {"studies": {"table1": first, "table2": again}}, Preset, "mine.yaml")


def made(whole: Preset, *stages: str) -> list[str]:
    """First artefacts of all tasks of some stages, as often as they are listed."""
    return [task.artefacts[0] for task in tasks(whole) if task.stage in stages]


WORK = ("build-pool", "train", "sample", "reference", "evaluate")


def test_two_equal_studies_share_all_work():
    whole = two()
    assert set(made(whole, *WORK)) == set(
        made(preset(methods={"nsgf": {}, "fm": {"nfe": 3}}), *WORK)
    )
    for stage in WORK:
        done = [t.artefacts[0] for job in jobs(whole) for t in job.tasks if job.stage == stage]
        assert len(done) == len(set(done)) > 0
    assert len(set(made(whole, "table"))) == 3  # of each study, and on training targets


def test_two_studies_that_differ_share_what_is_equal_and_name_the_rest_apart():
    flow = {"steps": 10, "step_size": 0.3, "blur": 1.0}
    whole = two(flow=flow)
    names = {path.split("/")[4] for path in made(whole, "build-pool", "train", "sample")}
    apart = {name.split("~")[0] for name in names if "~" in name}
    assert apart == {"flow", "velocity", "nsgf"}  # the straight network and its samples are shared
    assert names - {n for n in names if "~" in n} == {"flow", "velocity", "straight", "nsgf", "fm"}
    assert all(len(n.split("~")[1]) == 6 for n in names if "~" in n)


def test_jobs_of_two_studies_hold_tasks_of_the_same_settings_and_code():
    second = {
        "flow": {"steps": 10, "step_size": 0.3, "blur": 1.0},
        "targets": {"problems": 3, "scalings": [0.5]},
        "metrics": {"n_test": 40, "floor_draws": 2, "geomloss_samples": 0},
        "train_seeds": 3,
        "compute": {"device": "cpu", "threads": 2},
    }
    whole = two(**second)
    for job in jobs(whole):
        assert len({(t.code, str(t.config)) for t in job.tasks}) == 1, job.name
    names = [job.name for job in jobs(whole)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["quick", "cpu", "paper"])
def test_every_artefact_of_a_preset_has_one_task_and_every_job_one_name(name):
    whole = jobs(load(f"config/{name}.yaml", Preset))
    every = [path for job in whole for path in job.outputs]
    assert len(every) == len(set(every))
    assert len({job.name for job in whole}) == len(whole)

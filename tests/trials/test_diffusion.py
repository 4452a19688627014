"""Trial: the study of sliced gradient flows on Fokker-Planck equations, from preset to table.

Its folder is there already; the registry names it in one line.
"""

import json
import math

import pytest

from tests.trials.house import House, small

NETWORKS = {
    "sw_jko": {
        "net": {"kind": "real_nvp", "couplings": 2, "width": 8},
        "iterations": 12,
        "batch_size": 32,
        "lr": 1.0e-2,
        "options": {"tau": 0.25, "inner": 3, "directions": 8, "keep_every": 2},
    },
    "jko_icnn": {
        "net": {"kind": "icnn", "width": 8},
        "iterations": 9,
        "batch_size": 32,
        "lr": 1.0e-2,
        "options": {"tau": 0.25, "inner": 3},
    },
    "langevin": {
        "net": {"kind": "points", "count": 400},
        "iterations": 20,
        "batch_size": 400,
        "lr": 1.0e-3,  # nothing is learnt
        "options": {"step": 0.05, "keep_every": 10},
    },
}


def preset() -> dict:
    methods = {"sw-jko": {}, "jko-icnn": {}, "euler-maruyama": {}}
    study = {"kind": "diffusion", "datasets": ["gaussian-2"], "methods": methods}
    whole = small("mine", **study, metrics={"n_test": 300, "times": [0.5]})
    whole["studies"]["table1"] |= {"networks": NETWORKS, "train_seeds": 2, "sample_seeds": 1}
    whole["studies"] = {"diffusions": whole["studies"]["table1"]}
    return whole


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> House:
    house = House(tmp_path_factory.mktemp("diffusion"), preset())
    house.run()
    return house


def test_every_scheme_is_measured_beside_its_oracle(house):
    found = {(row["method"], row["metric"]): row for row in house.rows("diffusions")}
    methods = ("sw-jko", "jko-icnn", "euler-maruyama")
    assert found.keys() == {
        (m, name) for m in methods for name in ("log10_symkl", "log10_symkl_t0.5")
    }
    assert all(math.isfinite(float(row["mean"])) for row in found.values())
    for method in ("sw-jko", "jko-icnn"):
        assert float(found[method, "log10_symkl"]["floor"]) < 1
    assert not found["euler-maruyama", "log10_symkl"]["floor"]
    # Exact Wasserstein steps are near the equation; the sliced flow is at no time of it.
    assert float(found["jko-icnn", "log10_symkl_t0.5"]["floor"]) < -1


def test_samples_and_paths_are_those_of_the_states(house):
    samples = house.results / "samples/gaussian-2"
    for cell, states in (("sw-jko", 3), ("jko-icnn", 4), ("euler-maruyama", 3)):
        program = (
            "import numpy as np, sys; path = np.load(sys.argv[1])['path'];"
            "x = np.load(sys.argv[1].replace('.npz', '.npy'))[: path.shape[1]];"
            "print(len(path), abs(path[-1] - x).max())"
        )
        (file,) = samples.glob(f"{cell}*/seed0-0.npz")
        count, gap = house.python(program, str(file)).split()
        assert (int(count), float(gap)) == (states, 0), cell


def test_each_training_has_a_target_of_its_own(house):
    metrics = json.loads((house.results / "metrics/gaussian-2/sw-jko.json").read_text())
    floors = [row["floor"] for one in metrics["sets"] for row in one["metrics"]]
    assert len(set(floors)) == len(floors) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("sw_jko", {"iterations": 13}), "no whole number of steps of 3 updates"),
        (("langevin", {"batch_size": 300}), "all particles move at once"),
    ],
)
def test_what_does_not_fit_is_named(house, change, said):
    whole = preset()
    whole["studies"]["diffusions"]["networks"][change[0]] |= change[1]
    path = house.folder / "config/other.json"
    path.write_text(json.dumps(whole | {"name": "other"}))
    model = f"results/other/models/gaussian-2/{change[0]}/seed0.safetensors"
    result = house.nsgf("make", model, "--preset", str(path))
    assert result.returncode == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_another_kind_of_data_set_is_refused(house):
    whole = preset()
    whole["studies"]["diffusions"]["datasets"] = ["moons"]
    path = house.folder / "config/other.json"
    path.write_text(json.dumps(whole | {"name": "other"}))
    result = house.nsgf("check", "--preset", str(path))
    assert result.returncode == 1
    assert "no Fokker-Planck equation" in result.stderr


def test_the_page_shows_no_cloud_of_targets_that_differ(house):
    program = (
        "import sys; from pathlib import Path; from nsgf.config.base import load;"
        "from nsgf.config.preset import Preset; from nsgf.engine.dag import Outline;"
        "from nsgf.ops.page.clouds import clouds; preset = load(Path(sys.argv[1]), Preset);"
        "print(clouds(preset.seed, Outline(preset).branches))"
    )
    assert house.python(program, "config/mine.yaml").strip() == "[]"

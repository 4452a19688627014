"""Trial: the study of interaction energies by three families, from preset to table."""

import pytest

from tests.trials.house import House, small

OPTIONS = {"tau": 0.1, "inner": 4, "directions": 8, "noise": "common", "kind": "quasi-random"}
NETS = {
    "particles": ({"kind": "points", "count": 60, "spread": 0.25}, 0.3),
    "grid": ({"kind": "grid", "side": 8, "half": 1.2}, 0.1),
    "generator": ({"kind": "generator", "width": 8, "depth": 1}, 0.01),
}


def preset() -> dict:
    methods = {f"sw-{family}": {} for family in NETS}
    study = {"kind": "aggregation", "datasets": ["ring", "annulus"], "methods": methods}
    whole = small("mine", **study, metrics={"n_test": 200})
    networks = {
        f"sw_{family}": {
            "net": net,
            "iterations": 24,
            "batch_size": 60,
            "lr": lr,
            "options": OPTIONS,
        }
        for family, (net, lr) in NETS.items()
    }
    whole["studies"]["table1"] |= {"networks": networks, "train_seeds": 2, "sample_seeds": 1}
    whole["studies"] = {"gathering": whole["studies"]["table1"]}
    return whole


def test_energy_and_radius_stand_beside_the_exact_ones(tmp_path):
    house = House(tmp_path, preset())
    house.run()
    found = {(r["dataset"], r["method"], r["metric"]): r for r in house.rows("gathering")}
    assert len(found) == 2 * 3 * 2
    for (dataset, _, metric), row in found.items():
        exact = {"ring": -1 / 12, "annulus": None}[dataset] if metric == "energy" else None
        if exact is not None:
            assert float(row["floor"]) == pytest.approx(exact)
    # A little time lowers the energy already, from that of N(0, 0.25^2 I): |x - y|^2 has mean
    # 4 0.25^2, and its square 8 (2 0.25^2)^2.
    start = (8 * (2 * 0.25**2) ** 2 / 4 - 4 * 0.25**2 / 2) / 2
    assert float(found["ring", "sw-particles", "energy"]["mean"]) < start


def test_another_kind_of_data_set_is_refused(tmp_path):
    whole = preset()
    whole["studies"]["gathering"]["datasets"] = ["moons"]
    house = House(tmp_path, whole)
    result = house.nsgf("check", "--preset", "config/mine.yaml")
    assert result.returncode == 1
    assert "no interaction energy" in result.stderr

"""Trial: the study of logistic regression's posteriors, from preset to table."""

import math

import pytest

from tests.trials.house import House, small

NETWORKS = {
    "sw_posterior": {
        "net": {"kind": "real_nvp", "couplings": 4, "width": 32},
        "iterations": 500,
        "batch_size": 64,
        "lr": 5.0e-3,
        "options": {"tau": 0.5, "inner": 50, "directions": 16, "noise": "common"},
    },
    "likelihood": {
        "net": {"kind": "points", "count": 1},
        "iterations": 12,
        "batch_size": 1,
        "lr": 1.0e-3,  # nothing is learnt by it
    },
}


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> House:
    methods = {"sw-posterior": {}, "likelihood": {}}
    metrics = {"warm_up": 150, "draws": 250, "kept": 200, "directions": 20}
    study = {"kind": "logistic", "datasets": ["ringnorm"], "methods": methods}
    whole = small("mine", **study, metrics=metrics)
    whole["studies"]["table1"] |= {"networks": NETWORKS, "train_seeds": 2, "sample_seeds": 1}
    whole["studies"]["table1"]["sampling"] |= {"n_samples": 400}
    whole["studies"] = {"regressions": whole["studies"]["table1"]}
    house = House(tmp_path_factory.mktemp("logistic"), whole)
    house.run()
    return house


def test_posteriors_are_measured_beside_a_chain(house):
    found = {(row["method"], row["metric"]): row for row in house.rows("regressions")}
    metrics = {"accuracy", "log_likelihood", "mean_gap", "largest_mean_gap", "deviation_gap", "sw2"}
    assert {metric for method, metric in found if method == "likelihood"} == metrics
    assert {metric for _, metric in found} == metrics | {"log_a_gap"}
    assert all(math.isfinite(float(row["mean"])) for row in found.values())

    def of(method: str, metric: str, column: str = "mean") -> float:
        return float(found[method, metric][column])

    # Of N(0, 4 I) half lie on the origin's side of the plane, of N(a, I) with |a| = 2 Phi(2).
    for method in ("sw-posterior", "likelihood"):
        assert of(method, "accuracy") == pytest.approx((0.5 + 0.9772) / 2, abs=0.02)
        assert of(method, "accuracy") == pytest.approx(of(method, "accuracy", "floor"), abs=0.02)
    # A point has no spread; a posterior that was learnt shortly has about the right one.
    assert of("likelihood", "deviation_gap") == pytest.approx(1)
    assert of("sw-posterior", "deviation_gap") < 0.5
    assert of("sw-posterior", "sw2") < of("likelihood", "sw2")
    assert of("sw-posterior", "mean_gap", "floor") < 0.5

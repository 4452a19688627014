"""2-D metrics against known distances, and floors that perfect samples meet."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nsgf.data.problem import open_problem
from nsgf.metrics import wasserstein
from nsgf.ot.exact import squared_w2
from nsgf.rng import stream

ALL = ("w2", "w2_squared", "geomloss")


def test_a_translation_costs_its_length():
    x = stream(0).normal(64, 2)
    found = wasserstein.distances(x, x + torch.tensor([3.0, 4.0]), ALL)
    assert found["w2"] == pytest.approx(5, rel=1e-5)
    assert found["w2_squared"] == pytest.approx(25, rel=1e-5)
    assert found["geomloss"] == pytest.approx(12.5, rel=0.01)  # half the square


@given(st.integers(2, 20), st.integers(2, 20), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_exact_transport_is_a_metric(n, m, seed):
    a, b, c = (stream(seed, k, i).normal(k, 2) for i, k in enumerate((n, m, n)))
    ab, bc, ac = squared_w2(a, b) ** 0.5, squared_w2(b, c) ** 0.5, squared_w2(a, c) ** 0.5
    assert squared_w2(a, a) == pytest.approx(0, abs=1e-12)
    assert ab == pytest.approx(squared_w2(b, a) ** 0.5)
    assert ac <= ab + bc + 1e-9


def test_perfect_samples_meet_the_floor():
    problem = open_problem("moons", None)
    test = problem.target(256, stream(1, "test"))
    floor = wasserstein.floors(problem, test, 20, stream(1, "floor"), ("w2", "w2_squared"))
    values = [
        wasserstein.distances(problem.target_iid(256, stream(2, k)), test, ("w2",))["w2"]
        for k in range(20)
    ]
    assert sum(values) / 20 == pytest.approx(floor["w2"], rel=0.2)


def test_only_what_is_asked_for_is_measured():
    problem = open_problem("moons", None)
    test = problem.target(32, stream(0))
    assert set(wasserstein.floors(problem, test, 2, stream(1), ("w2", "w2_squared"))) == {
        "w2",
        "w2_squared",
    }
    assert set(wasserstein.floors(problem, test, 2, stream(1), ALL)) == set(ALL)

"""The sliced distance by its laws and beside POT, and its debiased form."""

import math

import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from nsgf.data.problem import open_problem
from nsgf.metrics.debiased import debiased_sliced
from nsgf.ot.exact import squared_w2
from nsgf.ot.sliced import equispaced, sliced_squared
from nsgf.rng import stream

MANY = equispaced(64)


def cloud(n: int, *names, d: int = 2) -> torch.Tensor:
    return stream(5, *names).normal(n, d).double()


@pytest.mark.parametrize(("n", "m"), [(40, 40), (40, 25), (7, 90), (1, 3)])
def test_it_is_pots_on_the_same_directions(n, m):
    x, y, theta = cloud(n, "x", d=3), cloud(m, "y", d=3) + 1, cloud(50, "theta", d=3)
    theta /= theta.norm(dim=1, keepdim=True)
    theirs = ot.sliced_wasserstein_distance(x, y, projections=theta.T) ** 2
    assert_close(sliced_squared(x, y, theta), float(theirs), rtol=1e-9, atol=0)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
@settings(max_examples=30)
def test_one_dimension_is_exact_transport(n, m, seed):
    x, y = cloud(n, seed, "x", d=1), cloud(m, seed, "y", d=1)
    found = sliced_squared(x, y, torch.ones(1, 1))
    assert found == pytest.approx(squared_w2(x, y), rel=1e-9, abs=1e-12)


def test_a_translation_costs_its_square_over_the_dimension():
    x = cloud(30)
    assert_close(sliced_squared(x, x + torch.tensor([3.0, 4.0]), MANY), 25 / 2, rtol=1e-9, atol=0)
    assert_close(sliced_squared(3 * x, 6 * x, MANY), 9 * sliced_squared(x, 2 * x, MANY))
    assert sliced_squared(x, x.flip(0), MANY) == 0


def test_two_centred_gaussians_are_as_far_as_their_widths():
    """SW_2^2 of N(0, a^2 I) and N(0, b^2 I) is (a - b)^2 in every dimension."""
    x, y = cloud(200_000, "a"), 3 * cloud(200_000, "b")
    assert_close(sliced_squared(x, y, MANY), 4.0, rtol=0.01, atol=0)


def drawn(name: str, n: int, *names) -> torch.Tensor:
    numbers = stream(8, name, *names)
    return open_problem(name, None).target_iid(n, numbers)[numbers.permutation(n)]


@pytest.mark.parametrize("dataset", ["8gaussians", "moons", "checkerboard"])
def test_the_debiased_distance_of_a_law_to_itself_is_nothing_on_average(dataset):
    values = torch.tensor(
        [debiased_sliced(*(drawn(dataset, 2000, k, side) for side in "xy"), 16) for k in range(60)]
    )
    plain = sliced_squared(*(drawn(dataset, 1000, side) for side in "xy"), MANY)
    error = float(values.std()) / math.sqrt(60)
    assert abs(float(values.mean())) < 4 * error
    assert error < plain / 4  # so that the bias, which `plain` has, would be seen
    assert float(values.min()) < 0


def test_the_debiased_distance_of_a_shift_is_the_shifts():
    x, y = (drawn("8gaussians", 100_000, side) for side in "xy")
    found = debiased_sliced(x, y + torch.tensor([0.3, 0.4]), 64)
    assert_close(found, 0.25 / 2, rtol=0.15, atol=0)


def test_clouds_without_halves_or_of_two_sizes_are_refused():
    for x, y in ((cloud(3), cloud(3)), (cloud(4), cloud(6)), (cloud(4, d=3), cloud(4, d=3))):
        with pytest.raises(ValueError, match="two clouds"):
            debiased_sliced(x, y, 8)

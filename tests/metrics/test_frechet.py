"""Laws of the feature distances, and parity with scipy and clean-fid."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import linalg

from nsgf.errors import NsgfError
from nsgf.metrics import frechet
from nsgf.metrics.frechet import (
    Moments,
    frechet_distance,
    inception_score,
    kernel_distance,
    moments,
)
from nsgf.rng import stream

seeds = st.integers(0, 2**31)
few = settings(max_examples=25)


def gaussian(seed: int, n: int = 40, d: int = 5) -> np.ndarray:
    """Correlated features (n, d) with a mean off zero."""
    g = stream(seed)
    x = g.normal(n, d) @ g.normal(d, d)
    return (x + g.normal(d)).double().numpy()


def distance(x: np.ndarray, y: np.ndarray) -> float:
    return frechet_distance(moments(x), moments(y))


def test_moments_are_those_of_numpy_whatever_the_chunk(monkeypatch):
    x = gaussian(0, n=50).astype(np.float32)
    monkeypatch.setattr(frechet, "CHUNK", 7)
    found = moments(x)
    assert found.n == 50
    assert found.mean.dtype == found.cov.dtype == np.float64
    assert_allclose(found.mean, x.astype(np.float64).mean(axis=0), rtol=1e-12)
    assert_allclose(found.cov, np.cov(x.astype(np.float64), rowvar=False), rtol=1e-10)


def test_moments_of_features_far_from_zero_keep_their_covariance():
    x = gaussian(1)
    assert_allclose(moments(x + 1e5).cov, moments(x).cov, rtol=1e-6)


@given(seeds)
@few
def test_a_set_is_at_distance_zero_from_itself(seed):
    x = gaussian(seed)
    # The root of an eigenvalue of cov^2 is exact to the root of its rounding: where cov is nearly
    # singular that is far above rounding itself.
    rounding = np.finfo(np.float64).eps ** 0.5 * np.trace(moments(x).cov)
    assert 0 <= distance(x, x) <= x.shape[1] * rounding


@given(seeds, seeds)
@few
def test_distance_is_symmetric_and_not_negative(one, other):
    x, y = gaussian(one), gaussian(other, n=31)
    assert distance(x, y) == pytest.approx(distance(y, x), rel=1e-7, abs=1e-7)
    assert distance(x, y) >= 0


@given(seeds, st.lists(st.floats(-10, 10), min_size=5, max_size=5))
@few
def test_distance_to_a_translate_is_the_squared_shift(seed, shift):
    x = gaussian(seed)
    assert distance(x, x + shift) == pytest.approx(np.square(shift).sum(), rel=1e-7, abs=1e-7)


@given(seeds, st.floats(0.1, 10))
@few
def test_distance_scales_with_the_square_and_ignores_rotation(seed, scale):
    x, y = gaussian(seed), gaussian(seed + 1)
    turn = linalg.qr(gaussian(seed + 2, n=5))[0]
    expected = scale**2 * distance(x, y)
    assert distance(scale * x @ turn, scale * y @ turn) == pytest.approx(expected, rel=1e-6)


def test_commuting_covariances_have_the_closed_form():
    a = Moments(np.array([1.0, -2.0]), np.diag([4.0, 9.0]), 10)
    b = Moments(np.array([0.0, 1.0]), np.diag([1.0, 25.0]), 10)
    assert frechet_distance(a, b) == pytest.approx(1 + 9 + (2 - 1) ** 2 + (3 - 5) ** 2, rel=1e-12)


@given(seeds)
@few
def test_parity_with_scipy_and_clean_fid(seed):
    from cleanfid.fid import frechet_distance as theirs

    a, b = moments(gaussian(seed, n=60, d=12)), moments(gaussian(seed + 1, n=60, d=12))
    root = linalg.sqrtm(a.cov @ b.cov).real
    plain = np.sum((a.mean - b.mean) ** 2) + np.trace(a.cov + b.cov - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(plain, rel=1e-6)
    assert frechet_distance(a, b) == pytest.approx(
        theirs(a.mean, a.cov, b.mean, b.cov).real, rel=1e-6
    )


def test_fewer_samples_than_dimensions_still_give_zero_for_equal_sets():
    x = gaussian(3, n=10, d=40)
    assert distance(x, x) == pytest.approx(0, abs=1e-5 * np.trace(moments(x).cov))


def test_kernel_distance_of_whole_sets_is_that_of_clean_fid():
    from cleanfid.fid import kernel_distance as theirs

    x, y = gaussian(0, n=30), gaussian(1, n=30)
    expected = theirs(x, y, num_subsets=1, max_subset_size=30)
    assert kernel_distance(x, y, stream(0), subset_size=30) == pytest.approx(expected, rel=1e-10)


def test_kernel_distance_is_unbiased_over_all_subsets():
    x, y = gaussian(0, n=5, d=2), gaussian(1, n=5, d=2)
    pairs = itertools.product(itertools.combinations(range(5), 3), repeat=2)
    values = [kernel_distance(x[list(i)], y[list(j)], stream(0)) for i, j in pairs]
    assert np.mean(values) == pytest.approx(kernel_distance(x, y, stream(0)), rel=1e-10)


def test_kernel_distance_of_one_law_with_itself_averages_to_zero():
    draws = [stream(k).normal(2, 20, 3).numpy() for k in range(400)]
    values = np.array([kernel_distance(x, y, stream(0)) for x, y in draws])
    assert abs(values.mean()) < 4 * values.std() / 20
    assert values.min() < 0, "an unbiased estimate of 0 must fall on either side"


@given(seeds)
@few
def test_random_subsets_are_a_function_of_the_stream(seed):
    x, y = gaussian(1, n=30), gaussian(2, n=25)
    one, again = (kernel_distance(x, y, stream(seed), 5, 10) for _ in range(2))
    assert one == again
    assert one != kernel_distance(x, y, stream(seed + 1), 5, 10)


def test_kernel_distance_of_two_points_has_the_closed_form():
    x, y = np.full((4, 2), 1.0), np.full((6, 2), 2.0)
    expected = (1 + 1) ** 3 + (4 + 1) ** 3 - 2 * (2 + 1) ** 3
    assert kernel_distance(x, y, stream(0), subsets=3) == pytest.approx(expected)


def test_kernel_distance_grows_with_the_shift():
    x, y = gaussian(1, n=200), gaussian(1, n=200)
    found = [kernel_distance(x, y + s, stream(0), 10, 50) for s in (0.0, 1.0, 3.0)]
    assert found == sorted(found)


def test_inception_score_of_like_rows_is_one_and_of_certain_rows_their_number():
    assert inception_score(np.full((20, 4), 0.25)) == pytest.approx(1)
    assert inception_score(np.tile(np.eye(4), (20, 1)), splits=10) == pytest.approx(4)


@given(seeds, st.integers(1, 7))
@few
def test_inception_score_is_the_plain_formula_and_lies_between_one_and_k(seed, splits):
    p = stream(seed).uniform(23, 6).double().add(0.01).numpy()
    p /= p.sum(axis=1, keepdims=True)
    bounds = [i * 23 // splits for i in range(splits + 1)]
    parts = [p[a:b] for a, b in itertools.pairwise(bounds)]
    plain = [np.exp((q * np.log(q / q.mean(0))).sum(1).mean()) for q in parts]
    assert inception_score(p, splits) == pytest.approx(np.mean(plain))
    assert 1 <= inception_score(p, splits) <= 6


def test_wrong_input_is_refused():
    x = gaussian(0)
    with pytest.raises(ValueError, match=r"must be \(n, d\); received shape"):
        moments(x[0])
    with pytest.raises(NsgfError, match="two or more"):
        moments(x[:1])
    with pytest.raises(NsgfError, match="not finite"):
        moments(np.where(x > 0, np.nan, x))
    with pytest.raises(ValueError, match="must share d"):
        frechet_distance(moments(x), moments(x[:, :2]))
    with pytest.raises(ValueError, match="must share d"):
        kernel_distance(x, x[:, :2], stream(0))
    with pytest.raises(ValueError, match="rows summing to 1"):
        inception_score(np.ones((4, 4)))
    with pytest.raises(ValueError, match="between 1 and n = 3"):
        inception_score(np.eye(3), splits=4)

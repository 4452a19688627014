"""Laws of the Student-t interval: equivariance, parity with scipy, coverage."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nsgf.metrics.interval import Interval, student_t

samples = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12)


@given(samples, st.floats(0.5, 0.999))
def test_interval_is_that_of_scipy(values, confidence):
    if max(values) - min(values) < 1e-6:  # scipy warns of cancellation there
        return
    theirs = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    ours = student_t(values, confidence)
    assert ours.low == pytest.approx(theirs.low, rel=1e-9, abs=1e-9)
    assert ours.high == pytest.approx(theirs.high, rel=1e-9, abs=1e-9)


@given(samples)
def test_interval_is_centred_on_the_mean_and_ignores_order(values):
    ours = student_t(values)
    assert ours.n == len(values)
    assert ours.low <= ours.mean <= ours.high
    assert (ours.low + ours.high) / 2 == pytest.approx(ours.mean, abs=1e-6)
    other = student_t(sorted(values))
    assert (other.low, other.high) == pytest.approx((ours.low, ours.high), abs=1e-6)


@given(samples, st.floats(-100, 100), st.floats(-10, 10))
def test_interval_moves_and_scales_with_the_values(values, shift, scale):
    ours = student_t(values)
    moved = student_t([scale * v + shift for v in values])
    expected = sorted([scale * ours.low + shift, scale * ours.high + shift])
    assert [moved.low, moved.high] == pytest.approx(expected, rel=1e-6, abs=1e-5)


@given(samples)
def test_more_confidence_never_narrows(values):
    wide, narrow = student_t(values, 0.99), student_t(values, 0.9)
    assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_three_values_have_the_closed_form_of_two_degrees_of_freedom():
    ours = student_t([1.0, 2.0, 3.0])
    t = (2 * 0.975 - 1) / math.sqrt(2 * 0.975 * 0.025)  # 4.3027 in every table
    half = t / math.sqrt(3)  # s = 1
    assert (ours.low, ours.high) == pytest.approx((2 - half, 2 + half), rel=1e-12)


def test_equal_values_have_no_width():
    assert student_t([4.0, 4.0, 4.0]) == Interval(4.0, 4.0, 4.0, 3)


def test_one_value_has_a_mean_and_no_interval():
    ours = student_t([2.5])
    assert (ours.mean, ours.n) == (2.5, 1)
    assert math.isnan(ours.low)
    assert math.isnan(ours.high)


@pytest.mark.parametrize(("n", "confidence"), [(2, 0.95), (3, 0.95), (5, 0.9)])
def test_normal_values_are_covered_as_often_as_promised(n, confidence):
    draws = 7 + 3 * torch.randn(5000, n, generator=torch.Generator().manual_seed(n))
    intervals = [student_t(row, confidence) for row in draws.double().numpy()]
    covered = sum(i.low <= 7 <= i.high for i in intervals) / len(intervals)
    assert covered == pytest.approx(confidence, abs=4 * math.sqrt(confidence * 0.1 / 5000))


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf], [[1.0, 2.0]]])
def test_values_that_are_no_finite_numbers_are_refused(values):
    with pytest.raises(ValueError, match="one or more finite numbers"):
        student_t(values)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_confidence_outside_zero_to_one_is_refused(confidence):
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\)"):
        student_t([1.0, 2.0], confidence)

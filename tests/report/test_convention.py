"""Print as a whole: the fit finds the metric and scale that made it, ranks those that agree."""

import math

import pandas as pd
import pytest

from nsgf.report.convention import display, fits, interval, main, ranks, said

W2 = {"moons": (0.27, 0.25, 0.4, 0.3, 0.5), "8gaussians": (0.6, 0.62, 0.7, 0.64, 0.8)}
FLOOR = {"moons": 0.2, "8gaussians": 0.55}
METHODS = ("nsgf", "ot_cfm", "fm", "si", "2-rf")


def table(printed) -> pd.DataFrame:
    """A study's table whose print is `printed(w2)`."""
    rows = [
        {"method": m, "dataset": d, "nfe": 10, "metric": metric, "published": published}
        | {"mean": w2**power, "floor": FLOOR[d] ** power}
        for d, values in W2.items()
        for m, w2 in zip(METHODS, values, strict=True)
        for metric, power, published in (("w2", 1, printed(w2)), ("w2_squared", 2, None))
    ]
    lost = {"method": "ept", "dataset": "moons", "nfe": 10, "metric": "w2", "published": 0.3}
    return pd.DataFrame([*rows, lost])


def with_ranks(fitted: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([fitted, ranks(table(lambda w2: w2), 0.95).iloc[:0]])


def test_the_fit_finds_the_square_and_its_scale():
    found = fits(table(lambda w2: (0.8 * w2) ** 2)).set_index(["metric", "dataset"])
    square = found.loc["w2_squared"]
    assert square["scale"].tolist() == pytest.approx([0.8] * 3)
    assert square["factor"].tolist() == pytest.approx([1.0] * 3)
    assert square["cells"].tolist() == [5, 5, 10]
    assert found.loc[("w2", "all"), "factor"] > 1.2
    head, square, *_ = said(found.reset_index())
    assert head == "Print is ours, read as W2 squared, within a factor of 1.25."
    assert square.startswith("Read as W2 squared: data 0.8 times as large as ours fit best;")
    other = said(fits(table(lambda w2: 1 / w2)))
    assert other[0].startswith("No scale of samplers makes print ours: a factor of ")
    assert len(main(display(with_ranks(found.reset_index())))) == 2


def test_printed_values_under_the_floor_are_counted_and_bound_the_scale():
    found = fits(table(lambda w2: 0.5 * w2)).set_index(["metric", "dataset"])
    row = found.loc[("w2", "moons")]
    assert row["floor_scale"] == pytest.approx(0.5 * 0.25 / 0.2)
    assert row["below_floor"] == 0  # at the scale that is fitted
    low = fits(table(lambda w2: 0.5 * w2 if w2 > 0.3 else 0.1 * w2)).set_index(
        ["metric", "dataset"]
    )
    assert low.loc[("w2", "moons"), "below_floor"] == 3
    assert low.loc[("w2", "moons"), "floor_scale"] == pytest.approx(0.1 * 0.25 / 0.2)


def test_ranks_agree_or_do_not():
    same = ranks(table(lambda w2: w2), 0.95)
    assert same["tau"].tolist() == pytest.approx([1, 1])
    assert same["methods"].tolist() == [5, 5]
    other = ranks(table(lambda w2: 1 / w2), 0.95)
    assert other["tau"].tolist() == pytest.approx([-1, -1])
    assert "1.00" in display(pd.concat([fits(table(lambda w2: w2)), same]))["tau"].iloc[-1]


def test_the_interval_is_wide_for_few_methods():
    low, high = interval(0.0, 9, 0.95)
    assert -low == high == pytest.approx(math.tanh(1.96 * math.sqrt(0.437 / 5)), rel=1e-3)
    assert all(map(math.isnan, interval(0.5, 4, 0.95)))

"""Laws of the tables that are drawn, of their splits, and of plain logistic regression."""

import math

import pytest
import torch

from nsgf.config.base import parse
from nsgf.config.compute import Compute
from nsgf.config.train import Training
from nsgf.data.problem import open_problem
from nsgf.errors import NsgfError
from nsgf.rng import stream
from nsgf.studies.logistic.catalogue import FEATURES
from nsgf.studies.logistic.recipes import RECIPES, ROWS
from nsgf.studies.logistic.split import split_of
from nsgf.train import likelihood
from nsgf.train.learner import Lesson


def test_the_normal_tables_have_the_means_and_spreads_of_their_recipes():
    for name, spread in (("twonorm", 1), ("ringnorm", 2)):
        x, of = RECIPES[name](40_000, stream(1, name))
        low, high = x[of == 0], x[of == 1]
        centre = -1 if name == "twonorm" else 0
        assert low.mean(0).sum().item() == pytest.approx(centre * math.sqrt(20) * 2, abs=0.2)
        assert high.mean(0).sum().item() == pytest.approx(math.sqrt(20) * 2, abs=0.2)
        assert low.std(0).mean().item() == pytest.approx(spread, abs=0.02)
        assert high.std(0).mean().item() == pytest.approx(1, abs=0.02)
    # Breiman's figure for twonorm: 2.3 in 100 are beyond the plane between the two.
    x, of = RECIPES["twonorm"](40_000, stream(2))
    wrong = ((x.sum(1) > 0).long() != of).double().mean()
    assert float(wrong) == pytest.approx(0.0228, abs=0.003)


def test_a_wave_is_a_mixture_of_two_triangles():
    x, of = RECIPES["waveform"](60_000, stream(3))
    place = torch.arange(1, 22)
    waves = [(6 - (place - peak).abs()).clamp_min(0).float() for peak in (11, 15, 7)]
    assert float(of.double().mean()) == pytest.approx(1 / 3, abs=0.01)
    first = (waves[0] + waves[1]) / 2
    torch.testing.assert_close(x[of == 1].mean(0), first, atol=0.06, rtol=0)
    rest = (waves[0] + waves[2] + waves[1] + waves[2]) / 4
    torch.testing.assert_close(x[of == 0].mean(0), rest, atol=0.06, rtol=0)


@pytest.mark.parametrize("name", RECIPES)
def test_a_split_shows_each_row_once_and_knows_only_what_it_sees(name):
    split, other = split_of(7, name, 0), split_of(7, name, 1)
    seen = split.posterior
    assert len(seen.y) + len(split.y) == ROWS[name]
    assert len(seen.y) == round(0.8 * ROWS[name])
    assert seen.dimension == FEATURES[name] + 1
    assert not torch.equal(seen.x, other.posterior.x)

    def rows(split) -> torch.Tensor:
        x = torch.cat([split.posterior.x, split.x]).double()
        return x @ stream(3, "rows", x.shape[1]).normal(x.shape[1]).double()

    if name != "waveform":  # whose features are in units of what each split sees
        torch.testing.assert_close(rows(split).sort().values, rows(other).sort().values)
    assert len(rows(split).unique()) == ROWS[name]
    if name == "waveform":
        torch.testing.assert_close(seen.x.mean(0), torch.zeros(21), atol=1e-5, rtol=0)
        torch.testing.assert_close(seen.x.std(0), torch.ones(21), atol=1e-5, rtol=0)
        assert split.x.mean(0).abs().max() > 1e-3  # of others nobody has told it


def newton(**changes) -> likelihood.Newton:
    training = {
        "net": {"kind": "points", "count": 1},
        "iterations": 12,
        "batch_size": 1,
        "lr": 1e-3,
    }
    lesson = Lesson(
        problem=open_problem("waveform", None),
        pool=None,
        training=parse(training | changes, Training, "test"),
        device=torch.device("cpu"),
        seed=7,
        names=("train", "likelihood", "waveform", 0),
        others={},
        compute=Compute(device="cpu"),
    )
    return likelihood.learner(lesson)


def test_plain_regression_ends_where_the_likelihood_is_flat():
    learner = newton()
    told = [learner.step(k, stream(0, k)) for k in range(12)]
    rises = [float(step["log_likelihood"]) for step in told]
    assert rises == sorted(rises)
    assert rises[0] == pytest.approx(-math.log(2))
    assert float(told[-1]["slope"]) < 1e-6
    seen, (point,) = split_of(7, "waveform", 0).posterior, learner.modules["step000001"].x
    w = point[:-1].double().requires_grad_()
    z = seen.x.double() * seen.y.double()[:, None]
    torch.nn.functional.logsigmoid(z @ w).mean().backward()
    assert w.grad.norm() < 1e-5


def test_plain_regression_is_one_point():
    with pytest.raises(NsgfError, match="2 points"):
        newton(net={"kind": "points", "count": 2})

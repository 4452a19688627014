"""Laws of the posterior of logistic regression, and of the chains that sample it."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from nsgf.errors import NsgfError
from nsgf.jko import hmc, logistic
from nsgf.jko.gaussian import random_target
from nsgf.jko.logistic import Posterior, predictive
from nsgf.rng import stream


def data(n: int = 80, d: int = 3) -> Posterior:
    numbers = stream(1, "data", n, d)
    x = numbers.normal(n, d).double()
    y = torch.where(numbers.uniform(n).double() < torch.sigmoid(2 * x[:, 0]), 1.0, -1.0).double()
    return Posterior(x, y)


def test_the_density_is_likelihood_times_prior_by_scipy():
    posterior = data()
    x, y = posterior.x.numpy(), posterior.y.numpy()

    def expected(theta: np.ndarray) -> float:
        w, log_a = theta[:-1], theta[-1]
        a = math.exp(log_a)
        seen = np.log(stats.logistic.cdf(y * (x @ w))).sum()
        prior = stats.norm.logpdf(w, scale=a**-0.5).sum()
        return seen + prior + stats.gamma.logpdf(a, 1, scale=1 / 100) + log_a

    theta = stream(2).normal(6, 4).double()
    ours = posterior.log_density(theta).numpy()
    theirs = np.array([expected(t) for t in theta.numpy()])
    np.testing.assert_allclose(ours - ours[0], theirs - theirs[0], rtol=1e-9, atol=1e-9)


def test_rows_have_the_whole_likelihood_on_average():
    posterior, theta = data(), stream(3).normal(2, 4).double()
    each = [posterior.log_density(theta, rows) for rows in torch.arange(80).view(16, 5)]
    torch.testing.assert_close(torch.stack(each).mean(0), posterior.log_density(theta))


def test_the_prior_is_drawn_as_it_is_written():
    theta = logistic.start(40_000, 2, stream(4))
    a = theta[:, -1].exp()
    assert a.mean().item() == pytest.approx(1 / 100, rel=0.03)
    assert (theta[:, 0] * a.sqrt()).var().item() == pytest.approx(1, rel=0.03)
    assert theta.isfinite().all()


def test_predictions_are_of_the_mixture():
    theta = torch.tensor([[10.0, 0.0], [-1.0, 0.0]])
    x, y = torch.tensor([[1.0], [-1.0]]), torch.tensor([1.0, 1.0])
    accuracy, seen = predictive(theta, x, y)
    first, second = ((1 / (1 + math.exp(-k * 10)) + 1 / (1 + math.exp(k))) / 2 for k in (1, -1))
    assert accuracy == 0.5
    assert seen == pytest.approx((math.log(first) + math.log(second)) / 2, rel=1e-5)


def test_chains_find_a_gaussians_moments_and_say_how_well():
    target = random_target(4, 7, "test")
    x0 = 5 * stream(5, "start").normal(8, 4)
    found = hmc.sample(target.log_density, x0, 600, 300, stream(5), longest=12)
    assert found.r_hat.max() < 1.02
    assert 0.6 < found.accepted < 0.97
    error = (found.x.flatten(0, 1).mean(0) - target.mean).abs()
    spread = (target.covariance.diagonal() / found.effective).sqrt()
    assert (error < 4.5 * spread).all()
    drawn = found.x.flatten(0, 1).T.cov()
    torch.testing.assert_close(drawn, target.covariance, rtol=0.15, atol=0.06)


def test_chains_of_a_posterior_agree_with_its_integral():
    """In one weight, by sums over a grid of (w, log a)."""
    posterior = data(40, 1)
    w, log_a = torch.linspace(-1, 8, 400).double(), torch.linspace(-14, 2, 400).double()
    grid = torch.cartesian_prod(w, log_a)
    mass = posterior.log_density(grid).softmax(0)
    mean = mass @ grid
    x0 = logistic.start(8, 1, stream(6)) / 10
    found = hmc.sample(posterior.log_density, x0, 700, 400, stream(7), longest=12)
    assert found.r_hat.max() < 1.05
    drawn = found.x.flatten(0, 1)
    spread = drawn.std(0) / found.effective.sqrt()
    assert ((drawn.mean(0) - mean).abs() < 5 * spread).all()


def test_effective_sizes_are_those_of_a_moving_average():
    """x_k = r x_{k-1} + noise: n (1 - r) / (1 + r)."""
    n, m, r = 6000, 4, 0.7
    noise = stream(8).normal(m, n, 1).double()
    x = torch.empty_like(noise)
    x[:, 0] = noise[:, 0] / math.sqrt(1 - r * r)
    for k in range(1, n):
        x[:, k] = r * x[:, k - 1] + noise[:, k]
    assert hmc.effective(x).item() == pytest.approx(m * n * (1 - r) / (1 + r), rel=0.15)
    assert hmc.effective(noise).item() == pytest.approx(m * n, rel=0.15)
    assert hmc.r_hat(noise).item() == pytest.approx(1, abs=2e-3)
    apart = noise + torch.arange(m).double().view(m, 1, 1)
    assert hmc.r_hat(apart).item() > 1.2


def test_single_precision_data_serve_chains_in_double():
    posterior = data(30, 2)
    single = Posterior(posterior.x.float(), posterior.y.float())
    theta = stream(9).normal(3, 3).double()
    torch.testing.assert_close(
        single.log_density(theta), posterior.log_density(theta), rtol=1e-5, atol=1e-4
    )


def test_mistakes_are_named():
    with pytest.raises(NsgfError, match="do not fit"):
        Posterior(torch.zeros(3, 2), torch.ones(4))
    with pytest.raises(NsgfError, match="classes are -1 and 1"):
        Posterior(torch.zeros(3, 2), torch.tensor([0.0, 1, 1]))

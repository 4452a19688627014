"""2-D laws against the code that they follow: torchcfm's samplers and scikit-learn's s-curve."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_s_curve
from torch.testing import assert_close
from torchcfm.utils import sample_8gaussians, sample_moons

from nsgf.data import synthetic
from nsgf.errors import NsgfError
from nsgf.ot.exact import squared_w2
from nsgf.rng import stream

N = 4000


def law(name: str, seed: int = 0, n: int = N) -> torch.Tensor:
    return synthetic.sample(name, n, stream(seed, name))


def test_eight_gaussians_are_torchcfms():
    torch.manual_seed(0)
    theirs = sample_8gaussians(N)
    ours = law("8gaussians")
    assert_close(ours.mean(0), theirs.mean(0), atol=0.25, rtol=0)
    assert_close(torch.cov(ours.T), torch.cov(theirs.T), atol=0.6, rtol=0)
    radius = ours.norm(dim=1)
    assert_close(radius.std(), theirs.norm(dim=1).std(), atol=0.03, rtol=0)
    assert abs(float(radius.std()) - 0.1**0.25) < 0.03  # not sqrt(0.1): the covariance trap


def test_moons_are_torchcfms_point_for_point():
    np.random.seed(3)
    theirs = sample_moons(101)
    np.random.seed(3)
    shift = torch.from_numpy(np.random.rand(101, 1)).float()
    angle = torch.cat([torch.linspace(0, math.pi, 50), torch.linspace(0, math.pi, 51)])
    assert_close(synthetic._moons(angle, 50, shift), theirs, atol=1e-5, rtol=0)


def test_independent_moons_have_the_law_of_the_grid():
    grid = law("moons", n=1000)
    iid = synthetic.sample_iid("moons", 1000, stream(1, "iid"))
    assert_close(iid.mean(0), grid.mean(0), atol=0.15, rtol=0)
    apart, alike = squared_w2(grid, iid), squared_w2(grid, law("moons", seed=2, n=1000))
    assert alike < apart < 0.3  # the grid makes batches more alike than chance


def test_s_curve_is_scikit_learns_seen_from_the_side():
    theirs = torch.from_numpy(make_s_curve(1000, noise=0.05, random_state=0)[0][:, [0, 2]] * 1.5)
    assert squared_w2(law("scurve", n=1000), theirs) < 0.15


def test_checkerboard_fills_its_eight_squares_alone():
    points = law("checkerboard")
    assert points.abs().max() <= 4
    column, row = (points / 2).floor().long().T
    assert bool(((column + row) % 2 == 0).all())
    cells = torch.stack([column, row], 1).unique(dim=0, return_counts=True)[1]
    assert len(cells) == 8
    assert cells.min() > N / 8 * 0.8


@pytest.mark.parametrize("name", synthetic.SAMPLERS)
def test_a_stream_fixes_its_draws(name):
    assert torch.equal(law(name, 5), law(name, 5))
    assert not torch.equal(law(name, 5), law(name, 6))
    assert law(name).dtype == torch.float32


def test_an_unknown_law_names_the_nearest():
    with pytest.raises(NsgfError, match="did you mean 'moons'"):
        synthetic.sample("moon", 4, stream(0))

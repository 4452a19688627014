"""Laws of measures, functionals and the sliced proximal scheme."""

import math
from itertools import pairwise

import pytest
import torch

from nsgf.errors import NsgfError
from nsgf.jko import functionals
from nsgf.jko.flow import sliced_flow
from nsgf.jko.functionals import entropy, interaction, potential, sliced_distance, total
from nsgf.jko.gaussian import Gaussian, random_target, sw_jko_step, symmetric_kl
from nsgf.jko.measure import Grid, Measure, Particles, Pushforward
from nsgf.jko.scheme import Proximal, SlicedJKO
from nsgf.nets import mlp, real_nvp
from nsgf.ot.sliced_gradient import sliced_wasserstein
from nsgf.rng import stream


def normal(x: torch.Tensor) -> torch.Tensor:
    return -x.square().sum(1) / 2


def flow(d: int, seed: int = 1, width: int = 32) -> Pushforward:
    torch.manual_seed(seed)
    return Pushforward(real_nvp.build(real_nvp.Config(width=width), (d,)), d)


def bent(d: int) -> Pushforward:
    """A flow whose couplings all do something."""
    family = flow(d)
    with torch.no_grad():
        for k, p in enumerate(family.parameters()):
            p += 0.2 * stream(5, "bend", k).normal(*p.shape)
    return family


def run(family, functional, proximal: Proximal, steps: int, seed: int = 1) -> list[float]:
    """Values of the functional at the start of each proximal step."""
    scheme, values = SlicedJKO(family, functional, proximal), []
    for k in range(steps * proximal.inner):
        told = scheme.update(k, stream(seed, "step", k))
        if k % proximal.inner == 0:
            values.append(float(told["functional"]))
    assert scheme.steps == steps
    return values


# --------------------------------------------------------------------------- measures


@pytest.mark.parametrize("d", [2, 3, 7])
def test_a_flow_is_the_identity_at_first_and_always_invertible(d):
    z = stream(1, "z").normal(50, d)
    x, volume = flow(d).net(z)
    torch.testing.assert_close(x, z)
    assert volume.abs().max() == 0
    net = bent(d).net
    x, volume = net(z)
    assert not torch.allclose(x, z, atol=0.1)
    back, other = net.inverse(x)
    torch.testing.assert_close(back, z, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(other, -volume, rtol=1e-4, atol=1e-4)


def test_a_flows_volume_change_is_that_of_its_jacobian():
    net, z = bent(3).net.double(), stream(1, "z").normal(5, 3).double()
    _, volume = net(z)
    for k in range(5):
        jacobian = torch.func.jacrev(lambda at: net(at[None])[0][0])(z[k])
        assert volume[k].item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), abs=1e-9)


def test_a_flows_density_integrates_to_one_and_is_that_of_its_draws():
    family = bent(2)
    mu = family.draw(200, stream(2))
    torch.testing.assert_close(family.log_density(mu.x), mu.log_density, rtol=1e-3, atol=1e-3)
    axis = torch.linspace(-30, 30, 1500)
    with torch.no_grad():
        mass = family.log_density(torch.cartesian_prod(axis, axis)).exp().sum()
    assert float(mass) * (axis[1] - axis[0]).item() ** 2 == pytest.approx(1, rel=0.01)


def test_a_grid_has_the_density_that_it_was_made_with():
    grid = Grid.square(6, 60, normal)
    mu = grid.draw(0, stream(1))
    assert mu.mass.sum().item() == pytest.approx(1, rel=1e-5)
    at = mu.x.square().sum(1) < 9  # beyond, a cell is no point
    expected = normal(mu.x) - math.log(2 * math.pi)
    torch.testing.assert_close(mu.log_density[at], expected[at], rtol=0, atol=0.01)
    assert entropy(mu).item() == pytest.approx(-(1 + math.log(2 * math.pi)), abs=1e-3)


def test_what_has_no_density_says_so():
    plain = mlp.build(mlp.Config(width=4), (2,))

    class Plain(torch.nn.Module):
        def forward(self, z):
            return plain(z, z[:, 0])

    family = Pushforward(Plain(), 2)
    with pytest.raises(NsgfError, match="have no entropy"):
        entropy(family.draw(3, stream(1)))
    with pytest.raises(NsgfError, match="has no density"):
        family.log_density(torch.zeros(1, 2))


# --------------------------------------------------------------------------- functionals


def test_functionals_of_a_gaussian_are_their_formulas():
    x = stream(3).normal(100_000, 2)
    mu = Measure(x, None, normal(x) - math.log(2 * math.pi))
    half = potential(lambda at: at.square().sum(1) / 2)
    assert half(mu).item() == pytest.approx(1, rel=0.02)
    assert entropy(mu).item() == pytest.approx(-(1 + math.log(2 * math.pi)), rel=0.01)
    assert total(half, entropy)(mu).item() == pytest.approx(-math.log(2 * math.pi), rel=0.01)
    assert functionals.scaled(3, half)(mu).item() == pytest.approx(3, rel=0.02)
    # |x - y|^2 has mean 2 d: half of it, halved.
    few = Measure(x[:3000])
    assert interaction(lambda s: s / 2)(few).item() == pytest.approx(1, rel=0.05)


def test_an_interaction_over_pairs_is_the_double_sum_and_ignores_infinity_at_home(monkeypatch):
    x = stream(4).normal(40, 2)

    def w(s):
        return s / 2 - s.log() / 2

    gaps = (x[:, None] - x[None]).square().sum(-1)
    off = ~torch.eye(40, dtype=torch.bool)
    expected = w(gaps[off]).mean() / 2
    monkeypatch.setattr(functionals, "PAIRS", 100)  # rows at a time
    at = x.clone().requires_grad_()
    value = interaction(w)(Measure(at))
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert torch.isfinite(torch.autograd.grad(value, at)[0]).all()
    mass = torch.full((40,), 1 / 40)
    even = interaction(w, lambda cell: 7.0 + 0 * cell)(Measure(x, mass, mass.log()))
    assert even.item() == pytest.approx((expected * 39 + 3.5).item() / 40, rel=1e-5)


def test_the_distance_to_a_target_is_half_of_the_sliced_one():
    numbers, target = stream(5, "target"), lambda n, numbers: numbers.normal(n, 3) + 1
    x = stream(6).normal(4000, 3)
    found = sliced_distance(target, 4000, 300, numbers)(Measure(x))
    assert found.item() == pytest.approx(0.5, rel=0.1)  # |(1, 1, 1)|^2 / 3 / 2


# --------------------------------------------------------------------------- the scheme


def test_one_step_of_particles_balances_distance_and_potential():
    """F = int |x|^2 / 2: (m' - m) / (d tau) + m' = 0 for the mean, and for every particle where
    the order of projections stays."""
    x0 = stream(7).normal(200, 2) + 3
    proximal = Proximal(tau=0.2, inner=30, count=64, kind="quasi-random", lr=0.5)
    family = Particles(x0)
    run(family, potential(lambda x: x.square().sum(1) / 2), proximal, 1)
    expected = x0.mean(0) / (1 + 2 * 0.2)
    torch.testing.assert_close(family.x.detach().mean(0), expected, rtol=0.01, atol=0)


def test_a_step_of_a_flow_is_the_step_of_gaussians():
    d, tau = 2, 0.2
    start, target = Gaussian.standard(d), random_target(d, 4, "test")
    oracle = sw_jko_step(start, target, tau)
    free = total(potential(lambda x: -target.log_density(x).float()), entropy)
    proximal = Proximal(tau, inner=150, batch=512, count=32, kind="quasi-random", lr=3e-3)
    family = flow(d)
    values = run(family, free, proximal, 1)
    with torch.no_grad():
        x = family.draw(20_000, stream(8)).x.double()
    found = Gaussian(x.mean(0), x.T.cov())
    assert symmetric_kl(found, oracle) < 0.01 < 0.2 * symmetric_kl(start, oracle)
    assert values[0] > oracle.kl(target)


def test_a_target_stays_where_noise_is_common_and_shrinks_where_it_is_not():
    """With F = 0 nothing should move; independent minibatches pull inwards."""
    sizes = {}
    for common in (True, False):
        proximal = Proximal(
            0.5, inner=60, batch=32, count=32, kind="quasi-random", lr=0.01, common=common
        )
        family = flow(2)
        run(family, lambda mu: 0.0 * mu.x.sum(), proximal, 2)
        with torch.no_grad():
            sizes[common] = family.draw(20_000, stream(9)).x.var().item()
    assert sizes[True] == pytest.approx(1, abs=0.03)
    assert sizes[False] < sizes[True] - 0.01


def test_grids_and_particles_come_to_the_same_ring():
    """W = |x|^4 / 4 - |x|^2 / 2 gathers all mass at distance 1 / sqrt 3 of its centre."""
    ring = interaction(lambda s: s.square() / 4 - s / 2)
    particles = Particles(0.25 * stream(10).normal(150, 2))
    proximal = Proximal(tau=0.25, inner=10, count=40, kind="quasi-random", lr=0.5)
    values = run(particles, ring, proximal, 50)
    assert all(b <= a + 1e-4 for a, b in pairwise(values)), "F rises"
    radius = particles.x.detach().sub(particles.x.detach().mean(0)).norm(dim=1)
    assert radius.mean().item() == pytest.approx(1 / math.sqrt(3), abs=0.02)
    assert values[-1] == pytest.approx(-1 / 12, rel=0.03)
    grid = Grid.square(1, 16, lambda x: -8 * x.square().sum(1))
    proximal = Proximal(tau=0.5, inner=15, count=12, kind="quasi-random", lr=0.2)
    falling = run(grid, ring, proximal, 20)
    assert falling[-1] < falling[0]
    assert falling[-1] == pytest.approx(-1 / 12, rel=0.15)


def test_a_run_that_is_taken_up_goes_on_bit_for_bit():
    target = random_target(2, 4, "test")
    free = total(potential(lambda x: -target.log_density(x).float()), entropy)
    proximal = Proximal(0.1, inner=4, batch=16, count=8)
    whole, first, second = (SlicedJKO(flow(2), free, proximal) for _ in range(3))
    for k in range(10):
        whole.update(k, stream(1, k))
    for k in range(6):
        first.update(k, stream(1, k))
    second.load_state_dict(first.state_dict())
    for k in range(6, 10):
        second.update(k, stream(1, k))
    for one, other in zip(whole.family.parameters(), second.family.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_functional_that_is_no_number_ends_it_with_a_word():
    scheme = SlicedJKO(
        Particles(torch.ones(3, 2)), lambda mu: mu.x.sum().log() * torch.inf, Proximal(1, 1)
    )
    with pytest.raises(NsgfError, match="the functional is inf after 0 updates"):
        scheme.update(0, stream(1))


def test_masses_of_a_grid_have_the_sliced_distance_of_their_points():
    """A mass of 2/3 and one of 1/3 are three points, two of them in one place."""
    points = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    mass = torch.tensor([2 / 3, 1 / 3])
    other = stream(11).normal(3, 2)
    theta = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    weighted = sliced_wasserstein(points, other, theta, mass, torch.full((3,), 1 / 3))
    plain = sliced_wasserstein(points[[0, 0, 1]], other, theta)
    assert weighted.item() == pytest.approx(plain.item(), rel=1e-5)


def test_a_flow_of_ones_own_functional_is_a_call():
    """Two wells, and particles that repel each other a little."""

    def wells(mu: Measure) -> torch.Tensor:
        return mu.mean((mu.x[:, 0].square() - 1).square() + mu.x[:, 1].square() / 2)

    apart = interaction(lambda s: -0.05 * (s + 1e-3).log())
    x0 = 0.3 * stream(12).normal(60, 2)
    proximal = Proximal(tau=0.05, inner=10, count=24, kind="quasi-random", lr=0.3)
    flow = sliced_flow(x0, total(wells, apart), 12, proximal)
    assert flow.x.shape == (13, 60, 2)
    assert torch.equal(flow.x[0], x0)
    assert flow.time[-1].item() == pytest.approx(0.6)
    assert flow.functional[-1] < flow.functional[0]
    assert flow.rises == []
    assert flow.x[-1][:, 0].abs().mean() > 2 * x0[:, 0].abs().mean()
    again = sliced_flow(x0, total(wells, apart), 12, proximal)
    assert torch.equal(again.x, flow.x)
    up = sliced_flow(x0, wells, 2, Proximal(tau=50.0, inner=1, count=8, lr=1.0))
    assert up.rises == [1] or up.rises == [1, 2]


def test_a_flow_of_a_family_draws_from_it_after_each_step():
    target = random_target(2, 4, "test")
    free = total(potential(lambda x: -target.log_density(x).float()), entropy)
    proximal = Proximal(0.1, inner=25, batch=128, count=16, kind="quasi-random", lr=5e-3)
    found = sliced_flow(flow(2), free, 3, proximal, n=500)
    assert found.x.shape == (4, 500, 2)
    assert found.functional[-1] < found.functional[0]
    assert found.measures[2].log_density.shape == (500,)

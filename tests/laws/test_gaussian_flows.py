"""Laws of Gaussians on their way to a Gaussian, under three flows."""

import math

import pytest
import torch

from nsgf.errors import NsgfError
from nsgf.jko.gaussian import (
    Gaussian,
    diffusion,
    jko_step,
    random_target,
    speed,
    sphere,
    sw_jko_step,
    symmetric_kl,
)
from nsgf.ot.directions import directions
from nsgf.ot.sliced_gradient import sliced_wasserstein
from nsgf.rng import stream

STEPS = {"w": jko_step, "sw": sw_jko_step}


def gaussian(mean: list[float], covariance: list[list[float]]) -> Gaussian:
    return Gaussian(*(torch.tensor(v, dtype=torch.float64) for v in (mean, covariance)))


def isotropic(d: int, mean: float, variance: float) -> Gaussian:
    return Gaussian(
        torch.full((d,), mean, dtype=torch.float64), variance * torch.eye(d, dtype=torch.float64)
    )


def test_divergence_of_gaussians_is_the_mean_log_ratio():
    one = gaussian([0.5, -1], [[1.0, 0.3], [0.3, 0.5]])
    other = gaussian([0, 0.2], [[0.8, -0.2], [-0.2, 1.5]])
    x = (
        one.mean
        + stream(1, "x").normal(200_000, 2).double() @ torch.linalg.cholesky(one.covariance).T
    )
    drawn = (one.log_density(x) - other.log_density(x)).mean().item()
    assert one.kl(other) == pytest.approx(drawn, rel=0.01)
    assert symmetric_kl(one, other) == pytest.approx(one.kl(other) + other.kl(one))
    assert one.kl(one) == pytest.approx(0, abs=1e-12)


def test_log_density_integrates_to_one():
    one = gaussian([0.5, -1], [[1.0, 0.3], [0.3, 0.5]])
    axis = torch.linspace(-7, 7, 400, dtype=torch.float64)
    x = torch.cartesian_prod(axis, axis)
    mass = one.log_density(x).exp().sum() * (axis[1] - axis[0]) ** 2
    assert mass.item() == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("d", [2, 5])
def test_the_diffusion_is_a_semigroup_that_ends_at_its_target(d):
    start, target = Gaussian.standard(d), random_target(d, 3, "test")
    once = diffusion(start, target, 0.7)
    twice = diffusion(diffusion(start, target, 0.3), target, 0.4)
    torch.testing.assert_close(once.covariance, twice.covariance)
    torch.testing.assert_close(once.mean, twice.mean)
    assert symmetric_kl(diffusion(start, target, 60), target) < 1e-10
    assert diffusion(start, target, 0.0).kl(start) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("variance", [2.25, 0.5, 0.05])
@pytest.mark.parametrize("tau", [0.05, 0.1, 2.0])
def test_a_wasserstein_step_has_its_closed_form_where_all_is_isotropic(tau, variance):
    """sigma' (1 + tau) - tau / sigma' = sigma for A = I (Mokrov et al. 2021)."""
    found = jko_step(isotropic(3, 2.0, variance), isotropic(3, 0.0, 1.0), tau)
    sigma = found.covariance[0, 0].sqrt().item()
    assert sigma * (1 + tau) - tau / sigma == pytest.approx(math.sqrt(variance))
    assert found.mean[0].item() == pytest.approx(2 / (1 + tau))


@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_a_sliced_step_has_its_closed_form_where_all_is_isotropic(d):
    """(1 - sigma / sigma') / (d tau) + a - 1 / sigma'^2 = 0."""
    a, tau = 2.0, 0.1
    found = sw_jko_step(isotropic(d, 1.0, 2.25), isotropic(d, 0.0, 1 / a), tau)
    sigma = found.covariance[0, 0].sqrt().item()
    assert (1 - 1.5 / sigma) / (d * tau) + a - sigma**-2 == pytest.approx(0, abs=1e-8)
    assert found.mean[0].item() == pytest.approx(1 / (1 + d * tau * a))
    if d == 1:  # the sliced distance is W_2
        other = jko_step(isotropic(1, 1.0, 2.25), isotropic(1, 0.0, 1 / a), tau)
        torch.testing.assert_close(found.covariance, other.covariance)


@pytest.mark.parametrize("which", STEPS)
def test_a_step_does_not_leave_the_target_and_else_comes_closer(which):
    target = random_target(3, 5, "test")
    assert STEPS[which](target, target, 0.3).kl(target) == pytest.approx(0, abs=1e-9)
    here, before = Gaussian.standard(3), math.inf
    for _ in range(5):
        here = STEPS[which](here, target, 0.2)
        now = here.kl(target)
        assert now < before
        before = now


@pytest.mark.parametrize(("which", "times"), [("w", 1), ("sw", 3)])
def test_small_steps_are_the_flow_at_its_speed(which, times):
    """Exactly the Wasserstein flow, d times as fast for SW, where covariances are isotropic."""
    target, here, tau = isotropic(3, 1.0, 0.5), isotropic(3, 0.0, 1.0), 0.002
    for _ in range(50):
        here = STEPS[which](here, target, tau)
    flow = diffusion(isotropic(3, 0.0, 1.0), target, times * 50 * tau)
    torch.testing.assert_close(here.mean, flow.mean, rtol=0, atol=0.01)
    torch.testing.assert_close(here.covariance, flow.covariance, rtol=0, atol=0.01)


@pytest.mark.parametrize("d", [2, 4])
def test_a_traceless_part_decays_at_the_speed_that_is_told(d):
    """By a linear step: what is left of a small one is 1 / (1 + 2 tau times its speed)."""
    eye, tau = torch.eye(d, dtype=torch.float64), 0.01
    part = torch.zeros(d, d, dtype=torch.float64)
    part[0, 0], part[1, 1] = 1e-4, -1e-4
    target = isotropic(d, 0.0, 1.0)
    found = sw_jko_step(Gaussian(target.mean, eye + part), target, tau)
    left = (found.covariance - eye)[0, 0].item() / 1e-4
    assert left == pytest.approx(1 / (1 + 2 * tau * speed(d)[1]), rel=2e-3)


def test_a_sliced_step_lowers_the_objective_below_its_neighbours():
    """J(S') = SW_2^2 / (2 tau) + F over fixed directions, at the found covariance and about it."""
    start, target, tau = Gaussian.standard(3), random_target(3, 9, "test"), 0.2
    found, theta = sw_jko_step(start, target, tau), sphere(3)

    def objective(g: Gaussian) -> float:
        gap = (g.mean - start.mean).square().sum() / 3
        one, other = (((theta @ c) * theta).sum(1).sqrt() for c in (g.covariance, start.covariance))
        return float((gap + (one - other).square().mean()) / (2 * tau)) + g.kl(target)

    best = objective(found)
    for k in range(10):
        part = stream(2, "part", k).normal(3, 3).double() * 1e-2
        assert objective(Gaussian(found.mean, found.covariance + part + part.T)) > best
        assert objective(Gaussian(found.mean + part[0], found.covariance)) > best


def test_the_sliced_distance_of_drawn_gaussians_is_that_of_the_formula():
    one, other = Gaussian.standard(4), random_target(4, 1, "test")
    theta = directions("orthogonal", 400, 4, stream(3)).double()
    x, y = (
        g.mean + stream(4, k).normal(40_000, 4).double() @ torch.linalg.cholesky(g.covariance).T
        for k, g in enumerate((one, other))
    )
    sizes = [((theta @ g.covariance) * theta).sum(1).sqrt() for g in (one, other)]
    exactly = (theta @ (one.mean - other.mean)).square() + (sizes[0] - sizes[1]).square()
    assert sliced_wasserstein(x, y, theta).item() == pytest.approx(exactly.mean().item(), rel=0.03)


@pytest.mark.parametrize("d", [1, 2, 3, 10])
def test_fixed_directions_have_the_spheres_second_moment(d):
    theta = sphere(d)
    moment = theta.T @ theta / len(theta)
    torch.testing.assert_close(moment, torch.eye(d, dtype=torch.float64) / d, rtol=0, atol=1e-9)


def test_a_step_that_cannot_be_solved_says_so():
    broken = gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, float("nan")]])
    with pytest.raises(NsgfError, match="not solved"):
        sw_jko_step(broken, random_target(2, 1), 0.1)

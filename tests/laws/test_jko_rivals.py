"""Laws of JKO-ICNN, of its network, and of Euler-Maruyama with a kernel density."""

import math

import pytest
import torch
from scipy.stats import gaussian_kde

from nsgf.jko.gaussian import Gaussian, diffusion, jko_step, random_target, symmetric_kl
from nsgf.jko.icnn import JKOICNN, inverse
from nsgf.jko.langevin import euler_maruyama, kernel_density, kernel_draw
from nsgf.nets import icnn
from nsgf.rng import stream
from nsgf.studies.diffusion.measure import divergence


def convex(d: int, seed: int = 1, strong: float = 0.5):
    """A network that is far from |x|^2 / 2."""
    torch.manual_seed(seed)
    net = icnn.build(icnn.Config(width=12, depth=3), (d,)).double()
    with torch.no_grad():
        net.out += strong * torch.rand_like(net.out)
    return net


@pytest.mark.parametrize("d", [1, 3])
def test_derivatives_are_autograds(d):
    net, x = convex(d), stream(1, "x").normal(6, d).double()
    gradient, hessian = net.derivatives(x)
    for k in range(6):
        slope = torch.func.grad(lambda at: net(at[None])[0])(x[k])
        bend = torch.func.hessian(lambda at: net(at[None])[0])(x[k])
        torch.testing.assert_close(gradient[k], slope)
        torch.testing.assert_close(hessian[k], bend)
    torch.testing.assert_close(net.gradient(x), gradient)


def test_it_is_convex_and_near_the_identity_at_first():
    torch.manual_seed(1)
    net, x = icnn.build(icnn.Config(), (4,)), stream(1, "x").normal(200, 4)
    gradient, _ = net.derivatives(x)
    assert (gradient - x).norm(dim=1).max() < 0.2
    with torch.no_grad():
        for p in net.parameters():
            p.add_(stream(2, p.numel()).normal(*p.shape))
    net.clamp()
    _, hessian = net.derivatives(x)
    assert torch.linalg.eigvalsh(hessian).min() >= icnn.Config().convexity - 1e-3


def test_inverses_lead_back():
    net, x = convex(3), 3 * stream(1, "x").normal(100, 3).double()
    torch.testing.assert_close(inverse(net, net.derivatives(x)[0].detach()), x, rtol=0, atol=1e-3)


def test_a_step_is_the_exact_step_of_gaussians():
    d, tau = 2, 0.3
    start, target = Gaussian.standard(d), random_target(d, 4, "test")
    exact = jko_step(start, target, tau)
    torch.manual_seed(1)
    net = icnn.build(icnn.Config(width=32), (d,))
    scheme = JKOICNN(net, d, lambda x: -target.log_density(x).float(), tau, 200, batch=256, lr=5e-3)
    for k in range(200):
        scheme.update(k, stream(1, k))
    scheme.finish()
    x = scheme.draw(20_000, stream(2)).double()
    found = Gaussian(x.mean(0), x.T.cov())
    assert symmetric_kl(found, exact) < 0.01 < 0.2 * symmetric_kl(start, exact)
    # Its own density is that of the Gaussian which it nearly is.
    at = exact.mean + stream(3).normal(500, d).double() @ torch.linalg.cholesky(exact.covariance).T
    gap = scheme.log_density(at.float()).double() - exact.log_density(at)
    assert gap.square().mean().sqrt() < 0.15


def test_a_run_that_is_taken_up_goes_on_bit_for_bit():
    def scheme() -> JKOICNN:
        torch.manual_seed(1)
        net = icnn.build(icnn.Config(width=8), (2,))
        return JKOICNN(net, 2, lambda x: x.square().sum(1), 0.1, 3, batch=16)

    whole, first, second = scheme(), scheme(), scheme()
    for k in range(8):
        whole.update(k, stream(1, k))
    for k in range(5):
        first.update(k, stream(1, k))
    second.load_state_dict(first.state_dict())
    for k in range(5, 8):
        second.update(k, stream(1, k))
    for one, other in zip(whole.net.parameters(), second.net.parameters(), strict=True):
        assert torch.equal(one, other)
    assert len(second.maps) == len(whole.maps) == 2
    assert torch.equal(whole.draw(5, stream(2)), second.draw(5, stream(2)))


def test_euler_maruyama_is_the_diffusion_of_gaussians():
    target, n = random_target(2, 6, "test"), 40_000
    x = euler_maruyama(
        stream(1, "x").normal(n, 2),
        lambda x: (x - target.mean.float()) @ target.precision.float(),
        0.01,
        50,
        stream(1, "noise"),
    ).double()
    expected = diffusion(Gaussian.standard(2), target, 0.5)
    assert symmetric_kl(Gaussian(x.mean(0), x.T.cov()), expected) < 2e-3


@pytest.mark.parametrize("d", [1, 3])
def test_kernel_densities_are_scipys(d):
    points, at = stream(2, "p").normal(300, d).double(), stream(2, "at").normal(40, d).double()
    theirs = gaussian_kde(points.T.numpy()).logpdf(at.T.numpy())
    ours = kernel_density(points, at, rows=7)
    torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=1e-8, atol=1e-8)
    assert not math.isnan(float(ours.sum()))


def test_a_kernel_density_is_that_of_its_draws():
    """The mean of 1 / density over draws in a box is the box's volume over what is drawn there."""
    points = stream(4, "p").normal(200, 2)
    x = kernel_draw(points, 60_000, stream(4, "x"))
    inside = (x.abs() < 1).all(1)
    volume = (-kernel_density(points, x[inside])).exp().sum().item() / len(x)
    assert volume == pytest.approx(4, rel=0.03)
    spread = points.double().T.cov() * (1 + 200 ** (-2 / 6))  # n in place of n - 1: 1/200 apart
    torch.testing.assert_close(x.double().T.cov(), spread, rtol=0.03, atol=0.02)


@pytest.mark.parametrize(("d", "printed"), [(6, -0.20), (12, 0.47)])
def test_a_thousand_particles_are_as_far_from_their_gaussian_as_print_says(d, printed):
    """Whatever Gaussian: Scott's kernels follow any linear map."""
    points, nu = stream(5, "p", d).normal(1000, d), Gaussian.standard(d)
    found = divergence(
        lambda n, numbers: kernel_draw(points, n, numbers),
        lambda x: kernel_density(points, x),
        nu,
        3000,
        stream(5, d),
    )
    assert math.log10(found) == pytest.approx(printed, abs=0.12)

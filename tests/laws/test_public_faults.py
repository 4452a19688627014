"""Faults that the second paper's public notebooks were seen to have, and ours must not.

That flows are compared at d times the sliced one's time, for which there was a dead switch:
test_gaussian_flows.py, test_small_steps_are_the_flow_at_its_speed.
"""

import torch

from nsgf.jko.functionals import potential
from nsgf.jko.logistic import Posterior
from nsgf.jko.measure import Measure
from nsgf.nets import real_nvp
from nsgf.rng import stream


def test_the_potential_of_a_posterior_is_a_sum_over_rows_and_a_mean_over_points():
    """There a likelihood was summed once too often, a thousand times too strong."""
    numbers = stream(1, "faults")
    x, theta = numbers.normal(30, 3), numbers.normal(64, 4)
    y = torch.where(numbers.uniform(30) < 0.5, 1.0, -1.0)
    posterior = Posterior(x, y)
    functional = potential(posterior.potential)
    once = functional(Measure(theta))
    torch.testing.assert_close(functional(Measure(theta.repeat(8, 1))), once)
    twice = Posterior(x.repeat(2, 1), y.repeat(2))
    logits = (theta[:, :-1] @ x.T) * y
    likelihood = torch.nn.functional.logsigmoid(logits).sum(1).mean()
    gained = potential(twice.potential)(Measure(theta)) - once
    torch.testing.assert_close(gained, -likelihood, rtol=1e-4, atol=1e-3)


def test_the_way_back_through_a_flow_takes_its_volume_back_once():
    """There it was off by a factor of 2, and a stored flow had lost its running statistics."""
    torch.manual_seed(0)
    net = real_nvp.build(real_nvp.Config(couplings=3, width=8), (3,)).double()
    with torch.no_grad():
        for weights in net.parameters():
            weights.add_(0.3 * torch.randn_like(weights))
    z = stream(2, "faults").normal(20, 3).double()
    x, volume = net(z)
    back, taken = net.inverse(x)
    torch.testing.assert_close(back, z)
    torch.testing.assert_close(taken, -volume)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda p: net(p[None])[0][0]))(z)
    torch.testing.assert_close(torch.linalg.slogdet(jacobian)[1], volume)
    assert not [name for name, _ in net.named_buffers() if "running" in name]

"""Laws of the sliced Wasserstein distance, its gradient and its directions."""

import math

import ot
import pytest
import torch
from torch.autograd import gradcheck

from nsgf.errors import NsgfError
from nsgf.ot import exact
from nsgf.ot.directions import KINDS, directions
from nsgf.ot.sliced import equispaced
from nsgf.ot.sliced_gradient import circle, gradient, sliced_wasserstein
from nsgf.rng import stream


def cloud(name: str, *shape: int, dtype=torch.float32) -> torch.Tensor:
    return stream(7, name).normal(*shape).to(dtype)


def masses(name: str, *shape: int) -> torch.Tensor:
    drawn = stream(8, name).uniform(*shape).double() + 0.05
    return drawn / drawn.sum(-1, keepdim=True)


def turned(count: int, d: int, kind: str = "random", dtype=torch.float32) -> torch.Tensor:
    return directions(kind, count, d, stream(9, kind, count, d)).to(dtype)


@pytest.mark.parametrize("d", [1, 2, 5, 10])
@pytest.mark.parametrize("sizes", [(64, 64), (64, 48), (1, 7)])
@pytest.mark.parametrize("weighted", [False, True])
def test_value_and_gradients_are_pots_on_the_same_directions(d, sizes, weighted):
    x, y = (cloud(k, n, d, dtype=torch.float64) for k, n in zip("xy", sizes, strict=True))
    a, b = (masses(k, n) for k, n in zip("ab", sizes, strict=True)) if weighted else (None, None)
    theta = turned(40, d, dtype=torch.float64)
    mine, theirs = ([t.clone().requires_grad_() for t in (x, y)] for _ in range(2))
    ours = sliced_wasserstein(*mine, theta, a, b)
    pot = ot.sliced_wasserstein_distance(*theirs, a, b, projections=theta.T) ** 2
    assert ours.item() == pytest.approx(pot.item(), rel=1e-9)
    for one, other in zip(
        torch.autograd.grad(ours, mine), torch.autograd.grad(pot, theirs), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-10)


def test_gradients_are_those_of_finite_differences_in_masses_too():
    x, y = cloud("x", 6, 3, dtype=torch.float64), cloud("y", 5, 3, dtype=torch.float64)
    theta = turned(7, 3, dtype=torch.float64)

    def of(x, y, logits):
        return sliced_wasserstein(x, y, theta, torch.softmax(logits, 0), masses("b", 5))

    given = [t.requires_grad_() for t in (x, y, cloud("l", 6, dtype=torch.float64))]
    assert gradcheck(of, given, eps=1e-7, atol=1e-6)
    same = [t.requires_grad_() for t in (x, cloud("z", 6, 3, dtype=torch.float64))]
    assert gradcheck(lambda x, y: sliced_wasserstein(x, y, theta), same, eps=1e-7, atol=1e-6)


def test_the_tape_of_weights_and_the_closed_form_agree_on_uniform_masses():
    x, y, theta = cloud("x", 300, 4), cloud("y", 300, 4), turned(50, 4)
    even = torch.full((300,), 1 / 300)
    at = x.clone().requires_grad_()
    tape = sliced_wasserstein(at, y, theta, even, even)
    value, grad = gradient(x, y, theta)
    assert tape.item() == pytest.approx(value, rel=1e-5)
    torch.testing.assert_close(torch.autograd.grad(tape, at)[0], grad, rtol=1e-4, atol=1e-7)


def test_batches_are_their_clouds_one_by_one():
    x, y, theta = cloud("x", 3, 20, 2), cloud("y", 3, 20, 2), turned(16, 2)
    a, b = masses("a", 3, 20).float(), masses("b", 3, 20).float()
    for given in ((), (a, b)):
        whole = sliced_wasserstein(x, y, theta, *given)
        for k in range(3):
            one = sliced_wasserstein(x[k], y[k], theta, *(p[k] for p in given))
            assert whole[k].item() == pytest.approx(one.item(), rel=1e-6)


def test_a_translation_adds_its_square_over_d():
    x, shift, d = cloud("x", 100, 6), cloud("c", 6), 6
    theta = turned(6 * 50, d, "orthogonal")  # blocks whose second moment is exactly 1/d
    moved = sliced_wasserstein(x, x + shift, theta)
    assert moved.item() == pytest.approx(shift.square().sum().item() / d, rel=1e-4)


def test_scaling_space_scales_it_by_the_square_and_order_does_not_matter():
    x, y, theta = cloud("x", 80, 3), cloud("y", 80, 3), turned(30, 3)
    one = sliced_wasserstein(x, y, theta)
    assert sliced_wasserstein(3 * x, 3 * y, theta).item() == pytest.approx(9 * one.item(), rel=1e-5)
    assert sliced_wasserstein(y, x.flip(0), theta).item() == pytest.approx(one.item(), rel=1e-5)
    assert sliced_wasserstein(x, x.flip(0), theta).item() == pytest.approx(0, abs=1e-12)


def test_on_a_line_it_is_w2_and_elsewhere_at_most_a_dth_of_it():
    x, y = cloud("x", 90, 1), cloud("y", 90, 1) + 0.5
    line = sliced_wasserstein(x, y, turned(3, 1))
    assert line.item() == pytest.approx(exact.squared_w2(x, y), rel=1e-4)
    x, y = cloud("x", 90, 4), cloud("y", 90, 4) + 0.5
    theta = turned(400, 4, "orthogonal")
    assert sliced_wasserstein(x, y, theta).item() <= exact.squared_w2(x, y) / 4 * (1 + 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gaussians_have_their_formula(kind):
    """Of N(m, S): the mean over directions of <theta, m>^2 + (sd - sd')^2, here as isotropic ones:
    (|m|^2 + d (s - s')^2) / d."""
    d, n, mean, s = 5, 4000, torch.tensor([1.0, 0, -0.5, 0, 2]), 1.5
    x, y = cloud("x", n, d), s * cloud("z", n, d) + mean
    found = sliced_wasserstein(x, y, turned(2000, d, kind))
    exactly = mean.square().sum().item() / d + (s - 1) ** 2
    assert found.item() == pytest.approx(exactly, rel=0.08 if kind == "random" else 0.04)


def test_the_gradient_over_random_directions_is_unbiased():
    """Its mean over many draws is the gradient over the circle, within five standard errors."""
    x, y = cloud("x", 12, 2, dtype=torch.float64), cloud("y", 12, 2, dtype=torch.float64) + 1
    at = x.clone().requires_grad_()
    whole = torch.autograd.grad(circle(at, y), at)[0]
    for kind in KINDS:
        numbers = stream(3, kind)
        each = [gradient(x, y, directions(kind, 4, 2, numbers).double())[1] for _ in range(800)]
        drawn = torch.stack(each)
        error = drawn.std(0) / math.sqrt(len(each))
        assert ((drawn.mean(0) - whole).abs() <= 5 * error + 1e-9).all(), kind


@pytest.mark.parametrize("sizes", [(9, 9), (9, 6)])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_circle_is_the_limit_of_many_equal_angles(sizes, weighted):
    x, y = (cloud(k, n, 2, dtype=torch.float64) for k, n in zip("xy", sizes, strict=True))
    a, b = (masses(k, n) for k, n in zip("ab", sizes, strict=True)) if weighted else (None, None)
    many = sliced_wasserstein(x, y, equispaced(20_000), a, b)
    assert circle(x, y, a, b).item() == pytest.approx(many.item(), rel=1e-6)
    given = [x.requires_grad_(), y.requires_grad_()]
    assert gradcheck(lambda x, y: circle(x, y, a, b), given, eps=1e-7, atol=1e-6)


def test_equal_projections_and_equal_points_are_no_trouble():
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 2.0], [0.0, 1.0]])
    y = x + torch.tensor([1.0, 0.0])
    theta = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert sliced_wasserstein(x, y, theta).item() == pytest.approx(0.5)
    assert gradient(x, y, theta)[1].sum(0).tolist() == pytest.approx([-1.0, 0.0])
    assert circle(x, y).item() == pytest.approx(0.5, rel=1e-6)
    assert circle(x, x).item() == pytest.approx(0, abs=1e-12)


def test_numbers_of_either_sign_are_sorted_with_their_places():
    x = torch.tensor([0.0, -0.0, -1.5, 3e38, -3e38, 1e-45, -1e-45, 1.0])[:, None]
    value, grad = gradient(x, torch.zeros(8, 1), torch.ones(1, 1))
    torch.testing.assert_close(grad, x / 4)
    assert math.isinf(value) or value > 1e75


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, 3, 12])
def test_directions_are_unit_and_have_the_spheres_second_moment(kind, d):
    theta = turned(1200, d, kind)
    assert theta.shape == (1200, d)
    torch.testing.assert_close(theta.norm(dim=1), torch.ones(1200), rtol=1e-5, atol=0)
    moment = theta.double().T @ theta.double() / 1200
    torch.testing.assert_close(moment, torch.eye(d).double() / d, rtol=0, atol=0.05 / math.sqrt(d))
    assert torch.equal(theta, turned(1200, d, kind)), "named streams give the same directions"


@pytest.mark.parametrize("kind", ["random", "quasi-random"])
def test_a_draw_of_zeros_is_a_direction_too(kind):
    class Zeros:
        device = torch.device("cpu")

        def normal(self, *shape):
            return torch.zeros(shape)

        def uniform(self, *shape):
            return torch.zeros(shape)

    theta = directions(kind, 3, 2, Zeros())
    torch.testing.assert_close(theta.norm(dim=1), torch.ones(3))


def test_orthogonal_blocks_are_orthogonal():
    theta = turned(10, 4, "orthogonal")
    for block in theta.split(4):
        torch.testing.assert_close(block @ block.T, torch.eye(len(block)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["orthogonal", "quasi-random"])
def test_even_directions_vary_less_than_random_ones(kind):
    x, y = cloud("x", 200, 4), 1.5 * cloud("y", 200, 4) + 0.5

    def spread(of: str) -> float:
        numbers = stream(4, of)
        found = [sliced_wasserstein(x, y, directions(of, 32, 4, numbers)) for _ in range(40)]
        return torch.stack(found).std().item()

    assert spread(kind) < 0.7 * spread("random")


@pytest.mark.parametrize(
    ("shapes", "named"),
    [
        (((4, 2), (4, 3), (5, 2)), "y (4, 3)"),
        (((4, 2), (4, 2), (5, 3)), "directions (5, 3)"),
        (((2, 4, 2), (3, 4, 2), (5, 2)), "y (3, 4, 2)"),
        (((4, 2), (4, 2), (5, 2), (3,)), "a (3,)"),
        (((0, 2), (4, 2), (5, 2)), "x (0, 2)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(shapes, named):
    with pytest.raises(NsgfError, match="do not fit") as caught:
        sliced_wasserstein(*(torch.zeros(shape) for shape in shapes))
    assert named in caught.value.what


def test_other_mistakes_are_named():
    with pytest.raises(NsgfError, match="unknown kind of directions 'all'"):
        directions("all", 3, 2, stream(1))
    with pytest.raises(NsgfError, match="no cloud in the plane"):
        circle(torch.zeros(3, 3), torch.zeros(3, 3))
    with pytest.raises(NsgfError, match="is a batch"):
        gradient(torch.zeros(1, 3, 2), torch.zeros(1, 4, 2), torch.ones(1, 2))

"""Laws of interaction energies: their ends are what is written of them."""

import math

import pytest
import torch

from nsgf.jko.measure import Grid, Measure
from nsgf.rng import stream
from nsgf.studies.aggregation.energies import ENERGIES, FOURTH, LOG, SQUARE

W = {
    "ring": lambda s: s.square() / 4 - s / 2,
    "disk": lambda s: s / 2 - s.log() / 2,
    "annulus": lambda s: s / 2 - s.log() / 2,
}
SUPPORT = {"ring": (3**-0.5, 3**-0.5), "disk": (0.0, 1.0), "annulus": (0.5, math.sqrt(5) / 2)}


def variation(name: str, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """int W(x - y) dmu(y) + V(x), which is constant where mass lies and no less elsewhere."""
    squares = (x[:, None] - y).square().sum(-1)
    drift = -x.norm(dim=1).log() / 4 if name == "annulus" else 0.0
    return W[name](squares).mean(1) + drift


def at(radius: torch.Tensor) -> torch.Tensor:
    angle = 2 * math.pi * stream(1, "angle").uniform(len(radius)).double()
    return radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)


@pytest.mark.parametrize("name", ENERGIES)
def test_the_end_has_the_energy_and_the_radius_that_are_written(name):
    energy = ENERGIES[name]
    x = energy.draw(3000, stream(2, name))
    assert float(energy.functional(Measure(x))) == pytest.approx(energy.least, abs=0.02)
    assert x.square().sum(1).mean().sqrt().item() == pytest.approx(energy.radius, rel=0.02)
    low, high = SUPPORT[name]
    radii = x.norm(dim=1)
    assert radii.min() >= low - 1e-4
    assert radii.max() <= high + 1e-4


@pytest.mark.parametrize("name", ENERGIES)
def test_no_mass_gains_by_moving(name):
    """Euler and Lagrange: the first variation is level on the support, and higher off it."""
    y = ENERGIES[name].draw(60_000, stream(3, name)).double()
    low, high = SUPPORT[name]
    inside = variation(name, at(torch.linspace(low + 0.02 * (high > low), high, 9).double()), y)
    assert inside.max() - inside.min() < 0.02
    outside = torch.tensor([high + 0.3, high + 0.6, *([low - 0.2] if low else [])]).double()
    assert (variation(name, at(outside), y) > inside.mean() + 0.005).all()


@pytest.mark.parametrize("name", ENERGIES)
def test_a_grid_of_the_end_has_its_energy_and_a_single_cell_has_more(name):
    """Masses meet themselves, spread over their cells."""
    low, high = SUPPORT[name]
    width = 0.08 if low == high else 0.0  # a circle is no density: a ring of that width

    def log_density(x: torch.Tensor) -> torch.Tensor:
        radius = x.norm(dim=1)
        inside = (radius >= low - width / 2) & (radius <= high + width / 2)
        return torch.where(inside, 0.0, -40.0)

    grid = Grid.square(1.3, 50, log_density)
    energy = ENERGIES[name].functional
    assert energy(grid.draw(0, stream(1))).item() == pytest.approx(ENERGIES[name].least, abs=0.02)
    one = Grid(grid.points, 2.6**2 / 2500, -40 * (grid.points - grid.points[1275]).norm(dim=1))
    assert energy(one.draw(0, stream(1))).item() > ENERGIES[name].least + 0.05


def test_means_over_a_unit_square_are_those_of_draws():
    x, y = stream(4, "square").uniform(2, 400_000, 2).double()
    square = (x - y).square().sum(1)
    for drawn, written in ((square.log() / 2, LOG), (square, SQUARE), (square.square(), FOURTH)):
        assert drawn.mean().item() == pytest.approx(written, rel=5e-3)


def test_a_drift_at_the_centre_is_a_number():
    for x in (torch.zeros(2, 2) + torch.eye(2), torch.eye(2) - 1):
        at_centre = torch.cat([x, torch.zeros(1, 2)])
        assert torch.isfinite(ENERGIES["annulus"].functional(Measure(at_centre)))


def test_the_annulus_is_no_minimum_and_the_others_stay_where_they_are_put():
    numbers = stream(5, "far away")
    for name, energy in ENERGIES.items():
        x = energy.draw(800, numbers)
        near, far = (float(energy.functional(Measure(x + shift))) for shift in (0.0, 50.0))
        assert (far < near - 0.5) == (name == "annulus")
        if name != "annulus":
            assert far == pytest.approx(near, abs=1e-3)

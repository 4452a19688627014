"""The sliced distance of two laws, without the bias that finite samples have.

For samples g, g' of one law and t, t' of the other, all independent,

D = (SW(g, t) + SW(g', t')) / 2 - (SW(g, g') + SW(t, t')) / 2,      SW = SW_2^2.

An empirical SW_2^2 lies above the laws' by what clouds of that size differ by themselves; the two
right-hand terms are of as many points and carry the same. Of one law with itself D has mean 0 and
may be negative.
"""

from torch import Tensor

from nsgf.ot.sliced import equispaced, quantiles, squared_gap

SLICED = "debiased sliced W2^2, equispaced"


def debiased_sliced(x: Tensor, y: Tensor, directions: int) -> float:
    """D of x and y, each (2 n, 2) and cut into halves, over equispaced directions of the plane.

    Args:
        x, y: independent samples of two laws, in no order.
        directions: count.

    Returns: data units squared.

    Raises:
        ValueError: an odd number of points, or not as many of both, or not in the plane.
    """
    if x.shape != y.shape or len(x) % 2 or x.shape[1] != 2:
        raise ValueError(f"give two clouds (2 n, 2) of one size, not {x.shape} and {y.shape}")
    theta = equispaced(directions)
    g, other_g, t, other_t = (quantiles(half, theta) for whole in (x, y) for half in whole.chunk(2))
    across = squared_gap(g, t) + squared_gap(other_g, other_t)
    return (across - squared_gap(g, other_g) - squared_gap(t, other_t)) / 2

"""Tables of two classes that are drawn, in the sizes of Raetsch's collection.

twonorm, ringnorm   Breiman (1996), Bias, variance, and arcing classifiers; 20 features; a of
                    ringnorm as in that collection
waveform            Breiman et al. (1984), Classification and regression trees; 21 features, of its
                    three classes the first against the others
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nsgf.rng import Stream

D = 20  # features of the normal ones
ROWS = {"twonorm": 7400, "ringnorm": 7400, "waveform": 5000}


def twonorm(n: int, numbers: Stream) -> tuple[Tensor, Tensor]:
    """Features (n, 20) and classes 0, 1 (n,): N(-a, I) and N(a, I), a = 2 / sqrt 20 each."""
    of = numbers.integers(2, n)
    return numbers.normal(n, D) + (2 * of[:, None] - 1) * (2 / math.sqrt(D)), of


def ringnorm(n: int, numbers: Stream) -> tuple[Tensor, Tensor]:
    """Features (n, 20) and classes 0, 1 (n,): N(0, 4 I) and N(a, I), a = 2 / sqrt 20 each."""
    of = numbers.integers(2, n)
    z = numbers.normal(n, D)
    return torch.where(of[:, None] == 0, 2 * z, z + 2 / math.sqrt(D)), of


def waveform(n: int, numbers: Stream) -> tuple[Tensor, Tensor]:
    """Features (n, 21) and classes (n,), 1 for the first of three: random mixtures of two of three
    triangular waves, and noise N(0, I)."""
    place = torch.arange(1, 22)
    waves = torch.stack([(6 - (place - peak).abs()).clamp_min(0) for peak in (11, 15, 7)]).float()
    pairs = torch.tensor([[0, 1], [0, 2], [1, 2]])
    kind, u = numbers.integers(3, n), numbers.uniform(n)[:, None]
    first, second = waves[pairs[kind]].unbind(1)
    return u * first + (1 - u) * second + numbers.normal(n, 21), (kind == 0).long()


RECIPES: dict[str, Callable[[int, Stream], tuple[Tensor, Tensor]]] = {
    "twonorm": twonorm,
    "ringnorm": ringnorm,
    "waveform": waveform,
}

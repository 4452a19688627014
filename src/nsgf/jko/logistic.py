"""Bayesian logistic regression (Liu and Wang 2016), a posterior that is known up to its constant.

P(y = 1 | x, w) = 1 / (1 + exp(-w'x)) without intercept, y in {-1, 1}; w | a ~ N(0, I / a);
a ~ Gamma(1, rate 100). A point is theta = (w, log a), d + 1 coordinates on the whole line.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from nsgf.errors import NsgfError

SHAPE, RATE = 1.0, 100.0  # of the prior on a


@dataclass(frozen=True)
class Posterior:
    """What is known of theta.

    Attributes:
        x: features (n, d) of what was seen. y: its classes, -1 or 1, (n,).
    """

    x: Tensor
    y: Tensor

    def __post_init__(self):
        if self.x.ndim != 2 or self.y.shape != self.x.shape[:1]:
            raise NsgfError(
                f"features {tuple(self.x.shape)} and classes {tuple(self.y.shape)} do not fit",
                "give (n, d) and (n,)",
            )
        if not bool((self.y.abs() == 1).all()):
            raise NsgfError("classes are -1 and 1", "map the two classes to these")

    @property
    def dimension(self) -> int:
        """Of theta."""
        return self.x.shape[1] + 1

    def log_density(self, theta: Tensor, rows: Tensor | None = None) -> Tensor:
        """Logarithm of the posterior's density at theta (k, d + 1), up to a constant, (k,).

        With `rows` of the data alone, their likelihood is scaled to that of all: its mean over
        random rows is the whole. It is a sum over data, as a likelihood is.
        """
        weights, log_a = theta[:, :-1], theta[:, -1]
        x, y = (self.x, self.y) if rows is None else (self.x[rows], self.y[rows])
        x, y = x.to(theta), y.to(theta)
        seen = logsigmoid((weights @ x.T) * y).sum(1) * (len(self.y) / len(y))
        prior = self.x.shape[1] / 2 * log_a - log_a.exp() * weights.square().sum(1) / 2
        # Of log a: that of a, and the change of variables.
        return seen + prior + SHAPE * log_a - RATE * log_a.exp()

    def potential(self, theta: Tensor) -> Tensor:
        """-log_density, of which the posterior is the Gibbs measure, (k,)."""
        return -self.log_density(theta)


def start(n: int, d: int, numbers) -> Tensor:
    """`n` draws of the prior, (n, d + 1)."""
    # Gamma(1, rate) is exponential; half a last digit keeps U from 0.
    a = -torch.log1p(-(numbers.uniform(n).double() + 2.0**-25)).float() / RATE
    return torch.cat([numbers.normal(n, d) / a[:, None].sqrt(), a.log()[:, None]], 1)


def predictive(theta: Tensor, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Accuracy, and the mean log-likelihood in nats, on x (n, d) with y (n,) of the mixture over
    theta (k, d + 1)."""
    logits = x @ theta[:, :-1].T  # (n, k)
    of_one = torch.sigmoid(logits).mean(1)
    accuracy = ((of_one > 0.5) == (y > 0)).double().mean()
    seen = logsigmoid(logits * y[:, None]).double().logsumexp(1) - math.log(len(theta))
    return float(accuracy), float(seen.mean())

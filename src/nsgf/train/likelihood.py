"""Plain logistic regression: the weights of greatest likelihood, by Newton's method."""

import torch
from torch import Tensor, nn

from nsgf.errors import NsgfError
from nsgf.rng import Stream
from nsgf.studies.logistic.split import split_of
from nsgf.train.learner import Learner, Lesson
from nsgf.train.steps import plain

RIDGE = 1e-6  # a row, so that classes which a plane separates have an end too


class Newton:
    """A point (w, 0), as the training loop drives it; an iteration is a step of Newton's method."""

    def __init__(self, lesson: Lesson):
        plain(lesson.training)
        self._net = lesson.network().requires_grad_(False)
        if len(self._net.x) != 1:
            raise NsgfError(f"{len(self._net.x)} points (net.count)", "the greatest is one: 1")
        self._net.x.zero_()
        seen = split_of(lesson.seed, *lesson.names[2:]).posterior
        self._z = (seen.x * seen.y[:, None]).double()

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The point, under the name of a last state."""
        return {"step000001": self._net}

    def step(self, k: int, numbers: Stream) -> dict[str, Tensor | float]:
        """A step: the mean log-likelihood before it, nats a row, and the slope's norm."""
        n, d = self._z.shape
        w = self._net.x[0, :-1].double()
        logits = self._z @ w
        against = torch.sigmoid(-logits)
        slope = self._z.T @ against - RIDGE * n * w
        curvature = (self._z * (against * (1 - against))[:, None]).T @ self._z
        curvature += RIDGE * n * torch.eye(d, dtype=w.dtype)
        self._net.x[0, :-1] = (w + torch.linalg.solve(curvature, slope)).float()
        seen = nn.functional.logsigmoid(logits).mean()
        return {"log_likelihood": seen, "slope": slope.norm() / n}

    def finish(self) -> None:
        """Nothing is left to do."""

    def state_dict(self) -> dict:
        """Where the point is."""
        return {"net": self._net.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Take it up."""
        self._net.load_state_dict(state["net"])


def learner(lesson: Lesson) -> Learner:
    """A point."""
    return Newton(lesson)

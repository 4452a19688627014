"""Count network evaluations where they happen."""

from collections.abc import Callable

from torch import Tensor, nn


class Counted(nn.Module):
    """Wrap a field v(x, t) and count what passes through it.

    Attributes:
        calls: times the network ran.
        rows: samples that it was given, summed over calls; rows / n is the NFE a sample.
    """

    def __init__(self, net: Callable[..., Tensor]):
        super().__init__()
        self.net, self.calls, self.rows = net, 0, 0

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        self.calls += 1
        self.rows += len(x)
        return self.net(x, t)

"""What every network's configuration says; each network's own lies in its file."""

from typing import ClassVar

from nsgf.config.base import Model


class NetModel(Model):
    """What every network's configuration says beside its settings.

    Attributes:
        ROLE: what it computes: a `field` v(x, t), a `time` t(x), or `classes` of x.
    """

    ROLE: ClassVar[str] = "field"

    def check(self, shape: tuple[int, ...]) -> None:
        """Whether it can read points of `shape`.

        Raises:
            ValueError: it cannot; the message says why.
        """
        if len(shape) != 3:
            raise ValueError(f"a '{self.kind}' cannot read points of shape {shape}")

"""Named random streams, all derived from one seed.

A stream is a pure function of (seed, names): nothing depends on the order in which streams are
used, on how work is cut into jobs, on where a killed run was resumed, or on the device. Its numbers
come from a counter-based generator (`nsgf.philox`): element e of its k-th draw is a function of e,
k and the stream's name, so that a short draw begins a longer one and any part costs only itself.
"""

import functools
import hashlib
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nsgf import philox


def stream_seed(seed: int, *names: object) -> int:
    """A 63-bit integer from SHA-256 of the seed and the names."""
    text = "\x1f".join([str(int(seed)), *(str(name) for name in names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: object, device: torch.device | str = "cpu") -> "Stream":
    """The stream `names` of `seed`; its numbers are made on `device`, and the same on all."""
    return Stream(stream_seed(seed, *names), device)


class Stream:
    """Random numbers, draw after draw.

    Args:
        key: of the generator, 64 bits.
        device: where numbers are made, an attribute too.
    """

    def __init__(self, key: int, device: torch.device | str = "cpu"):
        self.device = torch.device(device)
        self._key, self._draws = key, 0

    def normal(self, *shape: int) -> Tensor:
        """N(0, 1), float32."""
        return self._draw("normal", (), torch.float32)(0, math.prod(shape)).view(shape)

    def normal_rows(self, rows: Sequence[int], *shape: int) -> Tensor:
        """The rows `rows` of `normal(n, *shape)`, whatever n; (len(rows), *shape)."""
        draw, size = self._draw("normal", (), torch.float32), math.prod(shape)
        if isinstance(rows, range) and rows.step == 1:
            return draw(rows.start * size, len(rows) * size).view(len(rows), *shape)
        out = torch.empty(len(rows), size, device=self.device)
        for k, row in enumerate(rows):
            out[k] = draw(int(row) * size, size)
        return out.view(len(rows), *shape)

    def uniform(self, *shape: int) -> Tensor:
        """U[0, 1), multiples of 2^-24, float32."""
        return self._draw("uniform", (), torch.float32)(0, math.prod(shape)).view(shape)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Uniform on 0, ..., high - 1 (high up to 2^53), int64."""
        return self._draw("integers", (high,), torch.int64)(0, math.prod(shape)).view(shape)

    def permutation(self, n: int) -> Tensor:
        """A random order of 0, ..., n - 1, int64 (n,)."""
        return self.integers(1 << 53, n).argsort(stable=True)

    def _draw(self, form: str, about: tuple, dtype: torch.dtype) -> Callable[[int, int], Tensor]:
        """The next draw: a function of the first element and of how many are wanted."""
        self._draws += 1
        if self.device.type == "cpu":
            from nsgf import philox_loops as made  # compiled, where it is needed
        else:
            made = philox
        make = functools.partial(getattr(made, form), *about)
        each = 2 if about and about[0] > philox.WIDE else 4  # elements of a block

        def elements(start: int, size: int) -> Tensor:
            first, skip = divmod(start, each)
            count = -(-(skip + size) // each)
            whole = make(first, count, self._draws - 1, self._key, self.device)
            return whole[skip : skip + size]

        return elements

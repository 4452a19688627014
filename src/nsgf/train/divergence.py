"""Stop a training that goes nowhere: its loss is not finite, or stays far above where it began."""

import math
from collections.abc import Sequence

LINES = 10  # of the learning curve in a row: a large step at the start is often made good
FAR = 3.0  # times the first step's loss
FEW = 32  # samples a step; with fewer the first loss says less of where training begins


def trouble(
    curve: Sequence[tuple[int, dict[str, float]]], start: float | None, batch: int, ended: bool
) -> str:
    """What is wrong with a training, in words; "" for nothing.

    Args:
        curve: lines of the learning curve: the step, and its columns, of which `loss` must fall.
        start: the first step's loss; None for learners without one.
        batch: samples a step, count.
        ended: whether no step follows, so that the last line decides alone.
    """
    for name, value in curve[-1][1].items():
        if not math.isfinite(value):
            return f"its {name} is {value}"
    lines = 1 if ended else LINES
    recent = [line["loss"] for _, line in curve[-lines:] if "loss" in line]
    if start is None or start <= 0 or len(recent) < lines:
        return ""
    limit = FAR * (1 + FEW / batch) * start
    return f"its loss is {recent[-1]:.4g}, from {start:.4g}" if min(recent) > limit else ""

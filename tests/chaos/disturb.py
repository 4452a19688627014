"""One run with its faults: strike at a moment, see what the user sees, type the command again."""

import random
import re
import time
from collections.abc import Callable, Iterable

from tests.chaos.attempts import Run
from tests.chaos.faults import KINDS, Fault

TOLD = re.compile(r"^(?:nsgf: .*|job \S+ failed.*\n.*|Stopped.*|Snakemake failed.*)", re.M)


def disturb(
    run: Run,
    where: str,
    number: int,
    kinds: Iterable[str],
    spread: float,
    draw: random.Random,
    tell: Callable[[Fault], None],
) -> tuple[list[Fault], list[str]]:
    """Run to a good end through faults.

    Args:
        run: nothing has begun in it.
        where, number: of the run, for the record.
        kinds: what shall strike it, in this order.
        spread: a fault strikes up to so many seconds after the one before, or after the first job.
        tell: told each fault when its attempt has ended.

    Returns: what struck, and kinds that found nothing alive because the run was over.
    """
    left, struck, open_faults = list(kinds), [], []
    run.begin()
    while True:
        delay = draw.uniform(0, spread)
        if left and (fault := _strike(run, where, number, left[0], delay, draw)):
            left.pop(0)
            struck.append(fault)
            open_faults.append(fault)
        if left and run.alive():
            continue
        code, said = run.end()
        for fault in open_faults:
            fault.exit, fault.saw = code, told(code, said)
            tell(fault)
        if code == 0:
            return struck, left
        if not open_faults and not run.stopped:  # a stop may leave nothing to cut
            run.trouble.append(f"attempt {run.attempts} failed by itself: {said[-1500:]}")
        if not open_faults and len(run.trouble) > 3:
            return struck, left
        open_faults = []
        run.begin()


def _strike(
    run: Run, where: str, number: int, kind: str, delay: float, draw: random.Random
) -> Fault | None:
    """Wait for a job and then for the moment; None if the attempt ended before anything was hit."""
    begun = None
    while run.alive():
        stages = run.stages()
        begun = begun or (time.monotonic() if stages else None)
        if stages and time.monotonic() >= begun + delay:
            attempt, moment = run.attempts, round(run.moment, 1)
            if hit := KINDS[kind](run, draw):
                stage = draw.choice(stages)
                return Fault(
                    kind, where, number, attempt, hit.target, hit.pid, hit.stage or stage, moment
                )
        time.sleep(0.1)
    return None


def told(code: int, said: str) -> str:
    """The one line that a user would quote."""
    lines = [m[0] for m in TOLD.finditer(said)]
    if code == 0 or not lines:
        return "went on by itself" if code == 0 else "nothing: it was killed"
    return lines[0].replace("\n", " ")

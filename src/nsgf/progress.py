"""Progress bars with ETA on standard error, and plain lines where that is a file."""

import sys

from tqdm import tqdm


def bar(total: int, what: str, done: int = 0) -> tqdm:
    """A bar over `total` steps of which `done` are behind us; use as a context manager."""
    live = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        desc=what,
        file=sys.stderr,
        dynamic_ncols=live,
        delay=1 if live else 0,
        mininterval=0.2 if live else 10,
        maxinterval=0.2 if live else 10,
    )

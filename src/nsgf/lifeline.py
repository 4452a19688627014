"""Processes that must not outlive the one that started them."""

import ctypes
import os
import signal
import sys

PARENT = "NSGF_PARENT"  # process id of whoever starts such a process, in its environment
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """From now on SIGKILL arrives when the parent ends, however it ends (Linux).

    A parent that had ended before is known by its number in the environment.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = str(os.getppid())
    if os.environ.get(PARENT, parent) != parent:
        sys.exit("nsgf: whoever started this was killed before it began")

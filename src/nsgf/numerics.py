"""What the last bits of a result depend on beside its recipe: where equal, equal bytes are due."""

import functools
import os
import platform
import sys
from pathlib import Path

WIDTHS = ("avx512f", "avx2", "avx", "asimd")  # of vector instructions, the widest first
# With which users narrow what libraries take.
CHOICES = ("ATEN_CPU_CAPABILITY", "OPENBLAS_CORETYPE", "NUMBA_CPU_NAME", "OMP_NUM_THREADS")


@functools.cache
def key() -> dict[str, str]:
    """A flat account of what decides last bits in this process; equality decides."""
    found = {"mode": "native", "device": "cpu", "arch": platform.machine(), **processor()}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["device"] = torch.cuda.get_device_name()
    return found | {name: os.environ[name] for name in CHOICES if name in os.environ}


def processor() -> dict[str, str]:
    """Its name and widest vector instructions, as Linux tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:  # no Linux
        return {"processor": platform.processor() or "unknown"}
    about = {key.strip(): value.strip() for key, _, value in (s.partition(":") for s in lines)}
    flags = about.get("flags", about.get("Features", "")).split()
    vectors = next((width for width in WIDTHS if width in flags), "none")
    return {"processor": about.get("model name", "unknown"), "vectors": vectors}

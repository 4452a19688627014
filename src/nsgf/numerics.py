"""Which instructions libraries compute with: last bits rest on them.

Libraries pick their code by the processor that they find, and each variant adds in another order.
`portable` tells every library, by the variable that it reads as it is loaded, to take code that is
the same on all x86-64 with AVX2 and FMA; `native` leaves the choice to them. docs/numerics.md says
what each variable does, and what it costs. To import nsgf in Python sets nothing.
"""

import ctypes
import json
import os
import platform
import sys
from pathlib import Path
from typing import Literal

from nsgf.errors import NsgfError

Mode = Literal["portable", "native"]
VARIABLES = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",  # AVX2 means AUTO on other processors than Intel's
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3,X86_V4,AVX512_ICL,AVX512_SPR",
    "NUMBA_CPU_NAME": "x86-64-v3",
    "NUMBA_CPU_FEATURES": "",
}
BEFORE = "NSGF_BEFORE_PORTABLE"  # what they were, for a native process that a portable one starts
TAKEN = {  # what libraries answer in portable mode
    "numpy": "baseline",
    "openblas": "Haswell",
    "numba": "x86-64-v3",
    "torch": "AVX2",
    "mkl": "3",  # MKL_CBWR_COMPATIBLE
}
NEEDED = {"avx2", "bmi2", "f16c", "fma", "movbe"}  # what tells an x86-64-v3, as Linux names it
WIDTHS = ("AVX512_SPR", "AVX512_ICL", "X86_V4", "X86_V3")  # numpy's, the widest first


def apply(mode: Mode) -> None:
    """Set the variables of `mode`, before any library that reads them is loaded.

    Raises:
        NsgfError: this processor has no AVX2 and FMA; or numpy, numba or torch were loaded before
            with other settings.
    """
    if mode == "portable" and not able():
        raise NsgfError(
            "numerics 'portable' needs an x86-64 with AVX2 and FMA, which this machine has not",
            "set compute.numerics to 'native' in every study: other last bits, the same statistics",
        )
    if mode != asked() and (loaded := [n for n in ("numpy", "numba", "torch") if n in sys.modules]):
        raise NsgfError(
            f"numerics '{mode}' comes too late: {', '.join(loaded)} took '{asked()}' when loaded",
            f"call nsgf.numerics.apply('{mode}') in a new process, before all imports",
        )
    if mode == "portable" != asked():
        os.environ[BEFORE] = json.dumps({k: os.environ[k] for k in VARIABLES if k in os.environ})
        os.environ |= VARIABLES
    elif mode == "native" != asked():
        for name in VARIABLES:
            del os.environ[name]
        os.environ |= json.loads(os.environ.pop(BEFORE, "{}"))
    check()


def asked() -> Mode:
    """The mode of this process, by its environment."""
    return "portable" if VARIABLES.items() <= os.environ.items() else "native"


def best() -> Mode:
    """The mode for work that no preset describes."""
    return "portable" if able() else "native"


def able() -> bool:
    """Whether this machine can compute in portable mode."""
    return platform.machine() == "x86_64" and set(processor().get("flags", "").split()) >= NEEDED


def check() -> None:
    """Ask the libraries that are loaded what they took.

    Raises:
        NsgfError: a library computes with other instructions than portable mode asks for.
    """
    if asked() == "native":
        return
    if wrong := [f"{name} took {took}" for name, took in taken().items() if took != TAKEN[name]]:
        raise NsgfError(
            f"numerics 'portable' is not what libraries took: {', '.join(wrong)}",
            "use the locked versions and a new process, or set compute.numerics to 'native'",
        )


def key() -> dict[str, str]:
    """What the last bits of this process rest on, beside its code, settings and versions.

    Two runs with equal keys and equal recipes have equal bytes.
    """
    found = kind() | {"device": "cpu"}
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized() and torch.cuda.max_memory_allocated():
        found |= {"device": "cuda", "gpu": torch.cuda.get_device_name()}
    return found | taken() if asked() == "native" else found


def kind(mode: Mode | None = None) -> dict[str, str]:
    """As much of the key as is known before any library is loaded, by default of this process."""
    mode = mode or asked()
    found = {"mode": mode, "arch": platform.machine()}
    if mode == "native":
        about = processor()
        names = ("vendor_id", "cpu family", "model")
        found["processor"] = " ".join(about.get(name, "?") for name in names)
        found["glibc"] = platform.libc_ver()[1]
        found["threads"] = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))
    return found


def taken() -> dict[str, str]:
    """What each loaded library answers when it is asked which code it runs, by its name."""
    found = {}
    if "numpy" in sys.modules:
        found |= _numpy()
    if numba := sys.modules.get("numba"):
        found["numba"] = numba.config.CPU_NAME or "host"
    torch = sys.modules.get("torch")
    if torch and hasattr(torch, "backends"):  # it is not while torch itself is being imported
        found["torch"] = torch.backends.cpu.get_cpu_capability()
        library = Path(torch.__file__).parent / "lib/libtorch_cpu.so"
        mkl = ctypes.CDLL(str(library)) if library.exists() else None
        if hasattr(mkl, "mkl_serv_cbwr_get"):  # builds of others may have another BLAS
            found["mkl"] = str(mkl.mkl_serv_cbwr_get(-1))
    return found


def _numpy() -> dict[str, str]:
    """Its own widest instructions, and the processors that OpenBLAS, its or scipy's, runs as."""
    from numpy._core._multiarray_umath import __cpu_features__ as features
    from threadpoolctl import threadpool_info

    blas = (each for each in threadpool_info() if each["internal_api"] == "openblas")
    names = sorted({each["architecture"] for each in blas})
    widest = next((width for width in WIDTHS if features.get(width)), "baseline")
    return {"numpy": widest} | ({"openblas": ",".join(names)} if names else {})


def processor() -> dict[str, str]:
    """The first of /proc/cpuinfo, by its keys; nothing where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:  # no Linux
        return {}
    return {key.strip(): value.strip() for key, _, value in (s.partition(":") for s in lines)}

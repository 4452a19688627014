"""Kernels are compiled once, all of them, in a process of their own, and always run from the cache.

A kernel that was compiled in this process calls other machine code than the same kernel loaded from
numba's cache: the body of a parallel loop is optimised once by itself and once more inside its
kernel, and which of the two runs depends on what was loaded before. Sums with fast-math then differ
in their last bits, between the first run on a machine and all later ones.

All that decides what is compiled (sources, flags, versions, processor) names a folder, so that two
kinds of kernels share nothing; what was compiled is listed there with its digests, so that a
damaged file is compiled again.
"""

import fcntl
import functools
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
from numba import config, njit
from numba.core import caching
from numba.core.registry import cpu_target

from nsgf.errors import NsgfError
from nsgf.lifeline import PARENT, die_with_parent

# Without arcp and afn, under which LLVM takes a processor's approximate reciprocal and square root:
# those differ from one vendor to the next.
FLAGS = {"reassoc", "nsz", "contract", "nnan", "ninf"}
# A division by zero is inf, as in numpy: no exception can leave a parallel loop.
OPTIONS = {"fastmath": FLAGS, "nogil": True, "error_model": "numpy"}
# Each has `compile_all`, which calls every kernel of its with every type that it is called with.
MODULES = ("nsgf.ot.kernels", "nsgf.data.mixing", "nsgf.philox_loops", "nsgf.activation_loops")
SOURCES = (
    "compiled.py",
    "data/mixing.py",
    "philox*.py",
    "activation_loops.py",
    "ot/schedule.py",
    "ot/loops/*.py",
)
ROOT = Path(__file__).parent
LIST = "ready.json"  # in the folder: digests by file name
COMPILING = "NSGF_COMPILING_KERNELS"  # set in the process that compiles


def kernel(function, parallel: bool = True, fastmath: bool = True):
    """Compiles a function that Python calls, after `ensure`; cached with the others of its kind."""
    before = config.CACHE_LOCATOR_CLASSES
    config.CACHE_LOCATOR_CLASSES = f"{Locator.__module__}.{Locator.__name__}"
    try:
        options = OPTIONS if fastmath else OPTIONS | {"fastmath": False}
        return njit(parallel=parallel, cache=True, **options)(function)
    finally:
        config.CACHE_LOCATOR_CLASSES = before


def inner(function):
    """Compiles a function that kernels call, into each of them.

    A call could reach the copy of whichever kernel was loaded first, and fast-math sums of two
    copies differ in their last bits. For the same reason no two kernels may do the same work.
    """
    return njit(forceinline=True, **OPTIONS)(function)


class Locator(caching._CacheLocator):
    """Tells numba to keep compiled code in `folder`, where it is never stale."""

    def __init__(self, line: int):
        self._line = line

    @classmethod
    def from_function(cls, py_func, py_file):
        return cls(py_func.__code__.co_firstlineno)

    def get_cache_path(self) -> str:
        return str(folder())

    def get_source_stamp(self) -> str:
        return _kind()

    def get_disambiguator(self) -> str:
        return str(self._line)


@functools.cache
def ensure() -> None:
    """Compile the kernels if this machine has not yet; other processes wait for the first.

    Raises:
        NsgfError: they cannot be compiled here.
    """
    if os.environ.get(COMPILING) or _intact():
        return
    folder().parent.mkdir(parents=True, exist_ok=True)
    with folder().with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _intact():
            shutil.rmtree(folder(), ignore_errors=True)
            _compile()
            written = folder() / f"{LIST}.new"
            written.write_text(json.dumps(_digests()))
            written.replace(folder() / LIST)


@functools.cache
def folder() -> Path:
    """Where kernels of this kind lie: under NUMBA_CACHE_DIR, or beside the code, or the user's."""
    for place in caching.CacheImpl._locator_classes:
        found = place.from_function(main, __file__)
        if found:
            return Path(found.get_cache_path()) / f"kernels-{_kind()}"
    raise NsgfError(
        "there is no folder for compiled kernels",
        "set NUMBA_CACHE_DIR to a folder that can be written",
    )


@functools.cache
def _kind() -> str:
    """Digest of all that decides what is compiled: hex, 16 characters.

    The processor is the one that numba compiles for, NUMBA_CPU_NAME and NUMBA_CPU_FEATURES heeded.
    """
    sources = sorted(path for pattern in SOURCES for path in ROOT.glob(pattern))
    known = [(str(path.relative_to(ROOT)), path.read_bytes()) for path in sources]
    known += [cpu_target.target_context.codegen().magic_tuple(), sorted(FLAGS)]
    known += [config.OPT, config.LOOP_VECTORIZE, config.SLP_VECTORIZE]
    known += [numba.__version__, sys.version]
    return hashlib.sha256(repr(known).encode()).hexdigest()[:16]


def _intact() -> bool:
    """Whether every kernel is there as it was compiled."""
    listed = folder() / LIST
    if not listed.exists():
        return False
    try:
        return json.loads(listed.read_text()) == _digests()
    except ValueError:
        return False


def _digests() -> dict[str, str]:
    files = sorted(folder().glob("*.nb[ic]"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _compile() -> None:
    print("compiling kernels, once on this machine, a minute or two", file=sys.stderr, flush=True)
    environment = os.environ | {COMPILING: "1", PARENT: str(os.getpid())}
    result = subprocess.run(
        [sys.executable, "-m", "nsgf.compiled"], env=environment, capture_output=True, text=True
    )
    if result.returncode:
        raise NsgfError(
            f"the Sinkhorn kernels cannot be compiled: {result.stderr.strip()[-400:]}",
            "set NUMBA_CACHE_DIR to a folder that can be written",
        )


def main() -> None:
    """Compile every kernel for every type that it is called with."""
    die_with_parent()
    for name in MODULES:
        importlib.import_module(name).compile_all()


if __name__ == "__main__":
    main()

"""Where an artefact came from: one JSON beside it.

Its digest, the command, settings, seed, code and commit, inputs with digests, versions, the
machine, and the numerics, on which last bits depend.
"""

import functools
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from nsgf import numerics
from nsgf.artifact import sha256_file, sha256_json, sidecar, write_json
from nsgf.engine.code import LIBRARIES
from nsgf.engine.task import Task
from nsgf.private import redact

ACCOUNT = ("commit", "versions", "machine", "numerics", "facts")  # of whoever did the work
VERSIONS = [name for names in LIBRARIES.values() for name in names]
WIDTHS = ("avx512f", "avx2", "avx", "asimd")  # of vector instructions, the widest first


def account(facts: dict) -> dict:
    """What is known of work that this process has just done, whatever it was.

    Args:
        facts: anything worth keeping that the stage found out, such as where it was resumed.
    """
    return {
        "commit": commit(),
        "versions": versions(),
        "machine": machine(),
        "numerics": numerics.key(),
        "facts": facts,
    }


def record(task: Task, inputs: dict[str, str], done: dict) -> None:
    """Write the provenance of artefacts that are in place.

    Args:
        task: the work.
        inputs: digests by path.
        done: the `account` of whoever did the work.
    """
    body = {
        "stage": task.stage,
        "unit": task.unit,
        "command": redact(task.command),
        "config": task.config,
        "config_sha256": sha256_json(task.config),
        "seed": task.seed,
        "code": task.code,
        "inputs": inputs,
        **{name: done.get(name) for name in ACCOUNT},  # a store may hold older accounts
    }
    for path in map(Path, task.artefacts):
        write_json(sidecar(path), body | {"artefact": path.name, "sha256": sha256_file(path)})


@functools.cache
def versions() -> dict[str, str]:
    """Of Python and of the libraries that can change a number or a picture."""
    return {"python": platform.python_version()} | {n: metadata.version(n) for n in VERSIONS}


@functools.cache
def machine() -> dict[str, str | int]:
    """System, cores, processor, and the graphics card if torch is loaded and has one."""
    found = {"system": platform.system(), "arch": platform.machine(), "cores": os.cpu_count()}
    found |= _processor()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def _processor() -> dict[str, str]:
    """Its name and widest vector instructions, as Linux tells them."""
    about = numerics.processor()
    if not about:  # no Linux
        return {"processor": platform.processor() or "unknown"}
    flags = about.get("flags", about.get("Features", "")).split()
    vectors = next((width for width in WIDTHS if width in flags), "none")
    return {"processor": about.get("model name", "unknown"), "vectors": vectors}


@functools.cache
def commit() -> str | None:
    """The git commit of the tree, with '+changes' where the work tree differs; None outside git."""
    words = ("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes")
    command = ["git", "-C", str(Path(__file__).parent), *words]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()

"""Provenance of a benchmark: no task of a preset, but told in the same words."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from nsgf.artifact import sha256_file, sidecar, write_json
from nsgf.engine import provenance
from nsgf.engine.code import code_of
from nsgf.private import redact


def record(path: Path, config: dict, seed: int, facts: dict, inputs: Iterable[Path] = ()) -> None:
    """Write what made the file `path`, beside it.

    Args:
        config: what was measured. facts: on what, and anything else worth keeping.
        inputs: files that were read.
    """
    about = {
        "stage": "bench",
        "command": redact(shlex.join(["nsgf", *sys.argv[1:]])),
        "config": config,
        "seed": seed,
        "code": code_of("", ("nsgf.ops.bench.run",)),
        "inputs": {str(file): sha256_file(file) for file in inputs},
    }
    named = {"artefact": path.name, "sha256": sha256_file(path)}
    write_json(sidecar(path), about | provenance.account(facts) | named)

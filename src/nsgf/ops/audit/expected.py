"""What the DAG says about every artefact: the task, settings, code and inputs behind it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsgf.artifact import sha256_json
from nsgf.config.preset import Preset
from nsgf.errors import NsgfError
from nsgf.ops.audit import listing
from nsgf.ops.audit.git import Commit

TREE = ("src", "config", "requirements")


@dataclass(frozen=True)
class Expected:
    """A task as the DAG has it.

    Attributes:
        job: the job that it is part of.
        unit: what it is of; None for a commit whose jobs were commands over several units.
        config: None where the settings were the command itself.
        temporary: whether only provenance stays of its artefacts.
    """

    job: str
    stage: str
    unit: Mapping | None
    command: str
    code: str
    config: Mapping | None
    reads: Sequence[str]
    artefacts: Sequence[str]
    temporary: bool

    def differs_from(self, body: Mapping) -> str | None:
        """How a sidecar's account differs from this; None if it does not."""
        if body["config_sha256"] != sha256_json(body["config"]):
            return "settings that do not have the digest beside them"
        wanted = {
            "stage": self.stage,
            "code": self.code,
            "config": self.config,
            "seed": (self.config or {}).get("seed"),
            "unit": self.unit,
            "command": self.command,
        }
        made = {key: body.get(key) for key in wanted}
        if self.unit is None:
            made["command"] = listing.UNITS.sub("", body["command"])
        differing = (k for k, value in wanted.items() if value is not None and value != made[k])
        return next((_first_difference(wanted[k], made[k], k) for k in differing), None)


def of_preset(preset: Preset) -> list[Expected]:
    """What this tree's code makes of a preset."""
    return [Expected(**row) for row in listing.rows(preset)]


def of_commit(commit: Commit, name: str, only: str | None = None) -> list[Expected]:
    """What the code of `commit` makes of its preset `name`, or of a part of it.

    Raises:
        NsgfError: it has no such preset.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            commit.export(Path(folder), *TREE)
            result = subprocess.run(
                # -P: what lies beside the program is not what that tree imports.
                [sys.executable, "-P", listing.__file__, f"config/{name}.yaml", only or ""],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": f"{folder}/src"},
                capture_output=True,
                text=True,
                check=True,
            )
        except (NsgfError, subprocess.CalledProcessError) as error:
            raise NsgfError(
                f"commit {commit.id[:10]} cannot say how preset '{name}' is made",
                "fetch the whole history (git fetch --unshallow)",
            ) from error
    return [Expected(**row) for row in json.loads(result.stdout)]


def _first_difference(ours: object, theirs: object, path: str) -> str:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = dict.fromkeys([*ours, *theirs])
        key = next(key for key in keys if ours.get(key) != theirs.get(key))
        return _first_difference(ours.get(key), theirs.get(key), f"{path}.{key}")
    return f"{path} is {ours!r}, was {theirs!r}"

"""What the DAG says about every artefact: the task, settings, code and inputs behind it."""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsgf.artifact import SIDECAR, sha256_file, sha256_json
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.task import with_sidecars
from nsgf.errors import NsgfError
from nsgf.ops.audit.git import Commit

# Run in the tree of another commit, by that commit's own code. Versions of libraries enter its code
# hashes; they are those of that commit's lock, whatever is installed here.
PROGRAM = """
import json, re, sys
from importlib import metadata
from pathlib import Path
canonical = lambda name: re.sub(r"[-_.]+", "-", name).lower()
pins = {}
for file in ("torch.txt", "lock.txt"):
    for line in Path("requirements", file).read_text().splitlines():
        found = re.match(r"([A-Za-z0-9._-]+)==([^ ;\\\\]+)", line)
        if found:
            pins[canonical(found[1])] = found[2]
installed = metadata.version
metadata.version = lambda name: pins.get(canonical(name)) or installed(name)
from nsgf.config.base import load
from nsgf.config.preset import Preset
preset = load(Path(sys.argv[1]), Preset)
try:
    from nsgf.ops.audit.expected import of_preset
    rows = [vars(e) for e in of_preset(preset)]
except ModuleNotFoundError:  # a commit whose jobs were commands
    from nsgf.jobs import jobs
    def settings(job):
        if job.stage == "figure":
            return preset.figures[job.name.removeprefix("figure-")].model_dump(mode="json")
        return job.config[1].model_dump(mode="json") if job.config else None
    rows = [
        {"job": j.name, "stage": j.stage, "unit": None, "command": f"nsgf {j.stage} {j.arguments}",
         "code": j.code, "config": settings(j), "inputs": list(j.inputs),
         "outputs": list(j.outputs), "temporary": list(getattr(j, "temporary", ()))}
        for j in jobs(preset)
    ]
print(json.dumps(rows))
"""
TREE = ("src", "config", "requirements")


@dataclass(frozen=True)
class Expected:
    """A task as the DAG has it.

    Attributes:
        job: the job that it is part of.
        unit: what it is of; None for a commit whose jobs were commands over several units.
        config: None where the settings were the command itself.
        outputs: artefacts and their sidecars.
        temporary: artefacts of which only provenance stays.
    """

    job: str
    stage: str
    unit: Mapping | None
    command: str
    code: str
    config: object
    inputs: Sequence[str]
    outputs: Sequence[str]
    temporary: Sequence[str] = ()

    @property
    def artefacts(self) -> list[str]:
        """Outputs without their sidecars."""
        return [p for p in self.outputs if not p.endswith(SIDECAR)]

    def differs_from(self, body: Mapping) -> str | None:
        """How a sidecar's account differs from this; None if it does not."""
        if body["stage"] != self.stage:
            return f"stage '{self.stage}', but its provenance says '{body['stage']}'"
        if body["code"] != self.code:
            return f"code {self.code}, but it was made by code {body['code']}"
        if self.config is not None and body["config"] != self.config:
            return f"other settings{_first_difference(self.config, body['config'])}"
        if body["config_sha256"] != sha256_json(body["config"]):
            return "settings that do not have the digest beside them"
        if self.config is not None and body["seed"] != self.config.get("seed", body["seed"]):
            return f"seed {self.config['seed']}, but its provenance says {body['seed']}"
        if self.unit is not None and body.get("unit") != self.unit:
            return f"unit {dict(self.unit)}, but its provenance says {body.get('unit')}"
        # Units that shared a command are no difference: they change no byte.
        ours, theirs = _without_units(self.command), _without_units(body["command"])
        if ours != theirs:
            return f"command '{shlex.join(ours)}', but its provenance says '{body['command']}'"
        return None


def of_preset(preset: Preset) -> list[Expected]:
    """What this tree's code makes of a preset."""
    return [
        Expected(
            job.name,
            task.stage,
            task.unit,
            task.command,
            task.code,
            task.config,
            list(task.reads),
            list(with_sidecars(task.artefacts)),
            list(task.artefacts) if task.temporary else [],
        )
        for job in jobs(preset)
        for task in job.tasks
    ]


def of_commit(head: Commit, commit: str, name: str) -> list[Expected]:
    """What the code of `commit` makes of its preset `name`.

    Raises:
        NsgfError: the commit is not there, or has no such preset.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            head.export(commit, Path(folder), *TREE)
            result = subprocess.run(
                [sys.executable, "-c", PROGRAM, f"config/{name}.yaml"],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": f"{folder}/src"},
                capture_output=True,
                text=True,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            raise NsgfError(
                f"commit {commit[:10]} cannot say how preset '{name}' is made",
                "fetch the whole history (git fetch --unshallow)",
            ) from error
    return [Expected(**row) for row in json.loads(result.stdout)]


def recipes(expected: Sequence[Expected]) -> dict[str, str]:
    """Recipe of every output: a digest of its task and of all tasks and files before it.

    Two artefacts of one recipe are made by the same commands, settings and code from the same data.
    """
    maker = {path: job for job in expected for path in job.outputs}
    found: dict[str, str] = {}

    def recipe(job: Expected) -> str:
        key = job.outputs[0]
        if key not in found:
            mine = [job.stage, job.command, job.code, job.config]
            made = sorted({recipe(maker[p]) for p in job.inputs if p in maker})
            given = [sha256_file(Path(p)) for p in sorted(job.inputs) if _is_given(p, maker)]
            found[key] = sha256_json([mine, made, given])
        return found[key]

    return {path: recipe(job)[:16] for path, job in maker.items()}


def _is_given(path: str, maker: Mapping[str, Expected]) -> bool:
    """Files that no job makes; written settings are in `config` already."""
    return path not in maker and not re.match(r"results/[^/]+/(config|timings)/", path)


def _without_units(command: str) -> list[str]:
    words = shlex.split(command)
    return [w for i, w in enumerate(words) if "--unit" not in (w, words[i - 1])]


def _first_difference(ours: object, theirs: object, path: str = "") -> str:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in dict.fromkeys([*ours, *theirs]):
            if ours.get(key) != theirs.get(key):
                return _first_difference(ours.get(key), theirs.get(key), f"{path}.{key}")
    return f": {path.lstrip('.')} is {ours!r}, was {theirs!r}"

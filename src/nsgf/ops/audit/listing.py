"""The tasks of a preset as data: what an audit holds a run against.

Run as a program in the tree of another commit, it lists them by that commit's own code. Versions of
libraries enter its code hashes; they are those of that commit's lock, whatever is installed here.
"""

import importlib
import json
import re
import sys
from importlib import metadata
from pathlib import Path

FIELDS = ("stage", "unit", "command", "code", "config", "reads", "artefacts", "temporary")
UNITS = re.compile(r" --unit \S+")  # that shared a command; they change no byte
PIN = re.compile(r"^([\w.-]+)==([^ ;\\\n]+)", re.MULTILINE)


def rows(preset) -> list[dict]:
    """Each task as the fields of an Expected."""
    from nsgf.engine.dag import jobs

    return [
        {"job": job.name} | {field: getattr(task, field) for field in FIELDS}
        for job in jobs(preset)
        for task in job.tasks
    ]


def _rows_of_commands(preset) -> list[dict]:
    """The same of a commit whose jobs were commands; results/published/cpu-table3 names one."""
    return [
        {
            "job": job.name,
            "stage": job.stage,
            "unit": None,
            "command": UNITS.sub("", f"nsgf {job.stage} {job.arguments}"),
            "code": job.code,
            "config": job.config and job.config[1].model_dump(mode="json"),
            "reads": job.inputs,
            "artefacts": [p for p in job.outputs if not p.endswith(".prov.json")],
            "temporary": False,
        }
        for job in importlib.import_module("nsgf.jobs").jobs(preset)
    ]


def _believe_lock() -> None:
    """Let libraries have the versions that this tree's lock pins."""
    locks = [Path("requirements", name).read_text() for name in ("torch.txt", "lock.txt")]
    pins = {_canonical(name): pin for lock in locks for name, pin in PIN.findall(lock)}
    installed = metadata.version
    metadata.version = lambda name: pins.get(_canonical(name)) or installed(name)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    _believe_lock()
    from nsgf.config.base import load
    from nsgf.config.preset import Preset

    preset, only = load(Path(sys.argv[1]), Preset), sys.argv[2]
    try:
        found = rows(preset.part(only) if only else preset)
    except ModuleNotFoundError:
        found = _rows_of_commands(preset)
    print(json.dumps(found))

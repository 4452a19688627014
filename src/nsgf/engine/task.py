"""A unit of work, and a job: the units that share a process.

A task says all that there is to know of one unit: its stage, what it is of, the settings that it is
given, what it reads and writes, and the code that it runs. The DAG, the command line, provenance,
resuming, the store, the audit and the forecast are read from it; nothing is said a second time.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from nsgf.artifact import sha256_json, sidecar
from nsgf.config.base import Model, deciding
from nsgf.config.compute import Resources
from nsgf.engine.code import code_of
from nsgf.numerics import Mode

LIGHT = Resources(mem_mb=1500, runtime_min=30)  # tables, figures, downloads
Unit = dict[str, str | int]
Paths = str | tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """One unit of one stage.

    Attributes:
        stage: its name in nsgf.stages.
        unit: what it is of, such as the data set and the seed; random streams are named by it.
        settings: what the stage is given.
        inputs: files that it reads, by the names under which the stage knows them.
        outputs: artefacts that it makes, likewise.
        modules: code that it loads by name, beside what its stage imports.
        entries: lines of the registry that it rests on.
        part: tasks of one stage and part share jobs, which are called by it.
        study: empty where all studies share it.
        resources, threads, priority: for the scheduler; no byte depends on the first and last.
        temporary: whether its artefacts go when their last reader is done; their provenance stays.
        reported: whether a complete run ends with it, and the HTML report shows it.
        local: whether it runs beside Snakemake, never on a cluster's node.
        timing: where the seconds go that it took; "" for nowhere.
        labels, caption: in Snakemake's report.
    """

    stage: str
    unit: Unit
    settings: Model
    inputs: Mapping[str, Paths]
    outputs: Mapping[str, str]
    modules: tuple[str, ...] = ()
    entries: tuple = ()
    part: str = ""
    study: str = ""
    resources: Resources = LIGHT
    threads: int = 1
    priority: int = 0
    temporary: bool = False
    reported: bool = False
    local: bool = False
    timing: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    caption: str = ""

    @cached_property
    def code(self) -> str:
        """Hash of the code that it runs."""
        return code_of(self.stage, self.modules, self.entries)

    @cached_property
    def config(self) -> object:
        """JSON value of those settings that decide a byte."""
        return deciding(self.settings)

    @property
    def seed(self) -> int | None:
        """Root of its random streams, None where nothing is random."""
        return getattr(self.settings, "seed", None)

    @property
    def numerics(self) -> Mode | None:
        """How its arithmetic is done; None where it has none, as a download."""
        return getattr(getattr(self.settings, "compute", self.settings), "numerics", None)

    @property
    def reads(self) -> tuple[str, ...]:
        """All inputs, each once, in a stable order."""
        every = ((p,) if isinstance(p, str) else p for p in self.inputs.values())
        return tuple(dict.fromkeys(path for paths in every for path in paths))

    @property
    def artefacts(self) -> tuple[str, ...]:
        """All outputs, without their sidecars."""
        return tuple(self.outputs.values())

    @property
    def command(self) -> str:
        """What makes it by hand."""
        return shlex.join(["nsgf", "make", self.artefacts[0]])


@dataclass(frozen=True)
class Job:
    """A process: tasks of one stage that share settings and code."""

    name: str
    tasks: tuple[Task, ...]

    def __getattr__(self, name: str):
        """What all tasks of a job have in common: stage, study, code, resources, threads, ..."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.tasks[0], name)

    @property
    def units(self) -> list[Unit]:
        """What it works through."""
        return [task.unit for task in self.tasks]

    @property
    def inputs(self) -> tuple[str, ...]:
        """All that it reads."""
        return tuple(dict.fromkeys(path for task in self.tasks for path in task.reads))

    @property
    def artefacts(self) -> tuple[str, ...]:
        """All that it makes, without sidecars."""
        return tuple(path for task in self.tasks for path in task.artefacts)

    @property
    def outputs(self) -> tuple[str, ...]:
        """All that it makes, with provenance, and the times that it keeps."""
        times = tuple(task.timing for task in self.tasks if task.timing)
        return (*with_sidecars(self.artefacts), *times)

    @property
    def temporary(self) -> tuple[str, ...]:
        """Outputs that go when their last reader is done."""
        return tuple(p for task in self.tasks if task.temporary for p in task.artefacts)

    @property
    def kept(self) -> list[str]:
        """Outputs that stay."""
        gone = set(self.temporary)
        return [p for p in self.outputs if p not in gone]

    @property
    def shown(self) -> list[str]:
        """Outputs that the HTML report shows: tables as pages, figures as pictures and prints."""
        endings = (".html", ".png", ".pdf")
        return [p for p in self.artefacts if self.reported and p.endswith(endings)]

    @property
    def recipe(self) -> str:
        """Digest of all that Snakemake compares to know what to run again.

        Stage, settings and code, and what is read: settings of a pool or of a network are settings
        of its reader too, and stand in its name. Units, grouping and resources are not in it: they
        change no byte of a file that is there.
        """
        read = sorted({_rests_on(path) for path in self.inputs})
        return sha256_json([self.stage, self.config, self.code, read])[:16]


def _rests_on(path: str) -> str:
    """A file without what only its unit says: results/<preset>/<kind>/<data set>/<name>."""
    words = path.split("/")
    return "/".join(words[:5]) if words[0] == "results" else path


def with_sidecars(files: Iterable[str]) -> tuple[str, ...]:
    """Artefacts and their provenance."""
    return tuple(path for file in files for path in (file, str(sidecar(file))))


def grouped(tasks: Iterable[Task]) -> list[Job]:
    """Tasks as jobs, `resources.units_per_job` of a part in each; a task that is there twice once.

    A job runs again as a whole, so that what differs in settings or code is in different jobs,
    even where two studies have the same part: the later one's name then ends with a digest.
    """
    parts: dict[tuple[str, str, str], list[Task]] = {}
    made: set[str] = set()
    for task in tasks:
        if task.artefacts[0] not in made:
            made.add(task.artefacts[0])
            key = sha256_json([task.stage, task.part, task.config, task.code])
            parts.setdefault((task.stage, task.part, key), []).append(task)
    found: dict[str, Job] = {}
    for (_, part, key), same in parts.items():
        # Names of rules and of log files: no signs that a shell or a scheduler reads.
        name = re.sub("[,~]", "_", part).replace("=", "-")
        chunks = _chunks(name, same)
        if found.keys() & chunks.keys():
            chunks = _chunks(f"{name}-{key[:6]}", same)
        found |= chunks
    return list(found.values())


def _chunks(name: str, tasks: Sequence[Task]) -> dict[str, Job]:
    size = tasks[0].resources.units_per_job
    if len(tasks) == 1:
        return {name: Job(name, tuple(tasks))}
    chunks = (tuple(tasks[i : i + size]) for i in range(0, len(tasks), size))
    return {f"{name}-{k}": Job(f"{name}-{k}", chunk) for k, chunk in enumerate(chunks)}

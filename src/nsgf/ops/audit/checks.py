"""Judge the artefacts of a run: by themselves, by the DAG, and by what the commit records."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from nsgf.artifact import SIDECAR
from nsgf.config.preset import Preset
from nsgf.data import images
from nsgf.engine.dag import snapshot_text
from nsgf.errors import NsgfError
from nsgf.layout import DATA, Layout
from nsgf.ops.audit import dvc
from nsgf.ops.audit.expected import Expected
from nsgf.ops.audit.files import File
from nsgf.ops.audit.record import Record
from nsgf.registry import ARRAYS

Kind = Literal[  # causes before effects
    "not the commit's",  # a tracked file that differs from the commit
    "foreign data",  # not the data set that upstream publishes
    "not recorded",  # the commit says nothing of it
    "missing",  # a job of the DAG makes it, but it is not there
    "altered",  # its bytes are not what its own provenance states
    "no provenance",  # none, or none that can be read
    "forged",  # in itself consistent, but not what the commit records
    "unknown",  # no job of the DAG makes it
    "not repeated",  # made again from its inputs, it had other bytes
    "stale",  # made by other code, settings or command than the DAG's
    "remade",  # the commit's bytes, with the provenance of another run
    "rests on",  # made from a file that has a finding of its own, or from other bytes of it
]
KINDS = get_args(Kind)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one file."""

    kind: Kind
    path: str
    why: str

    @property
    def rank(self) -> tuple:
        """Causes before what rests on them."""
        return (KINDS.index(self.kind), self.path)


# Folders of a run in which everything is made by a job.
OWNED = ("pools", "models", "samples", "metrics", "tables", "figures")
TIMING = "/timings/"


@dataclass(frozen=True)
class Run:
    """What is audited: artefacts beside the DAG and beside what the commit records.

    Attributes:
        name: its preset.
        root: its folder, of results or of what is published.
        expected: what the DAG says.
        files: artefacts; those that are left out are as the commit records them.
        record: what the commit says.
        elsewhere: SHA-256 of files that are not among `files`, None where nobody knows.
        left_out: artefacts that are not archived and are not here.
    """

    name: str
    root: Path
    expected: Sequence[Expected]
    files: Mapping[str, File]
    record: Record
    elsewhere: Callable[[str], str | None]
    left_out: frozenset[str] = frozenset()

    @cached_property
    def maker(self) -> dict[str, Expected]:
        """The task behind each artefact."""
        return {path: task for task in self.expected for path in task.artefacts}

    def digest(self, path: str, otherwise: str | None = None) -> str | None:
        """What a file's bytes are; `otherwise` where it is neither here nor recorded."""
        if path in self.files:
            return self.files[path].sha256
        return self.elsewhere(path) or otherwise


def by_itself(run: Run) -> Iterator[Finding]:
    """Bytes against provenance, provenance against the DAG, inputs against their bytes."""
    for path, file in run.files.items():
        task = run.maker[path]
        if path in run.left_out:
            continue
        if file.sha256 is None:
            yield Finding("missing", path, f"job {task.job} makes it")
        elif file.body is None:
            kind = "is missing" if file.provenance is None else "cannot be read"
            yield Finding("no provenance", path, f"{path}{SIDECAR} {kind}")
        elif file.body["sha256"] != file.sha256 or file.body["artefact"] != Path(path).name:
            yield Finding("altered", path, f"provenance states {file.body['sha256'][:12]}")
        elif difference := task.differs_from(file.body):
            yield Finding("stale", path, f"the DAG has {difference}")
        else:
            for given, digest in file.body["inputs"].items():
                if given not in task.reads:
                    why = f"made from '{given}', which is no input of {task.job}"
                    yield Finding("stale", path, why)
                elif digest != run.digest(given, digest):
                    yield Finding("rests on", path, f"made from other bytes of '{given}'")


def by_record(run: Run, remade: bool) -> Iterator[Finding]:
    """Artefacts against the commit's manifest.

    Args:
        run: what is on disk.
        remade: accept the commit's bytes with the provenance of another run of the same recipe;
            times, which no run repeats, are then not held against the commit.
    """
    for path, file in run.files.items():
        known = run.record.artefacts.get(path)
        if file.sha256 is None or (remade and TIMING in path):
            continue
        if known is None:
            yield Finding("not recorded", path, "the commit's manifest does not name it")
        elif known.sha256 != file.sha256:
            yield Finding("forged", path, f"the commit records {known.sha256[:12]}")
        elif known.provenance != file.provenance and not remade:
            yield Finding("remade", path, "provenance is not the one that the commit records")
    for path in run.record.artefacts.keys() - run.files.keys():
        yield Finding("missing", path, "the commit records it, but no job of this preset makes it")


def by_trees(run: Run) -> Iterator[Finding]:
    """Output folders against dvc.lock; files are named where DVC's cache holds the listing."""
    for folder, digest in run.record.trees.items():
        if folder in run.record.left_out and not Path(folder).exists():
            continue
        now = dvc.contents(folder)
        if folder == DATA:  # other presets' data sets lie there too
            now = {p: md5 for p, md5 in now.items() if p.removesuffix(SIDECAR) in run.files}
        if dvc.tree_digest(folder, now) == digest:
            continue
        then = dvc.listing(folder, digest)
        if then is None:
            yield Finding("forged", folder, f"not the files that dvc.lock records ({digest[:12]})")
            continue
        for path in sorted({path for path, _ in now.items() ^ then.items()}):
            yield Finding("forged", path, "dvc.lock records other bytes")


def strangers(run: Run) -> Iterator[Finding]:
    """Files among the results that no job makes."""
    for path in sorted(p for folder in OWNED for p in (run.root / folder).rglob("*")):
        made = str(path).removesuffix(SIDECAR) in run.files
        if path.is_file() and not made and path.name != ".gitignore":
            yield Finding("unknown", str(path), "no job of the DAG makes it")


def settings(preset: Preset) -> Iterator[Finding]:
    """The preset as the run has read it, against the preset."""
    path = Path(Layout(f"results/{preset.name}").preset)
    if not path.is_file():
        yield Finding("missing", str(path), "the preset that jobs read")
    elif path.read_text() != snapshot_text(preset):
        yield Finding("altered", str(path), "not the settings that the preset gives")


def data(run: Run, registry: Path) -> Iterator[Finding]:
    """Image sets against the digests that upstream publishes."""
    for task in (t for t in run.expected if t.stage == "fetch"):
        folder = Path(task.artefacts[0]).parent
        if all((folder / f"{array}.npy").is_file() for array in ARRAYS):
            try:
                images.verify(folder.name, folder, registry=registry)
            except (NsgfError, ValueError) as error:
                what = error.what if isinstance(error, NsgfError) else str(error)
                yield Finding("foreign data", f"{DATA}/{folder.name}", what)

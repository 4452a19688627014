"""Judge the artefacts of a run: by themselves, by the DAG, and by what the commit records."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsgf.artifact import SIDECAR
from nsgf.config.preset import Preset
from nsgf.data import images
from nsgf.engine.dag import snapshot_text
from nsgf.errors import NsgfError
from nsgf.layout import DATA, Layout
from nsgf.ops.audit import dvc_tree
from nsgf.ops.audit.expected import Expected
from nsgf.ops.audit.files import File
from nsgf.ops.audit.findings import Finding
from nsgf.ops.audit.record import Record
from nsgf.registry import ARRAYS

# Folders of a run in which everything is made by a job.
OWNED = ("pools", "models", "samples", "metrics", "tables", "figures")
TIMING = "/timings/"


@dataclass(frozen=True)
class Run:
    """A run on disk beside what the DAG says of it."""

    name: str
    expected: Sequence[Expected]
    files: Mapping[str, File]
    # SHA-256 of files that are not among `files`; None: nobody knows.
    elsewhere: Callable[[str], str | None]
    left_out: frozenset[str] = frozenset()  # artefacts that are not archived

    @property
    def maker(self) -> dict[str, Expected]:
        """The job behind each artefact."""
        return {path: job for job in self.expected for path in job.artefacts if path in self.files}

    def digest(self, path: str, otherwise: str | None = None) -> str | None:
        """What a file's bytes are; `otherwise` where it is neither here nor recorded."""
        if path in self.files and path not in self.left_out:
            return self.files[path].sha256
        return self.elsewhere(path) or otherwise


def by_itself(run: Run) -> Iterator[Finding]:
    """Bytes against provenance, provenance against the DAG, inputs against their bytes."""
    for path, job in run.maker.items():
        file = run.files[path]
        if path in run.left_out:
            continue
        if file.sha256 is None:
            yield Finding("missing", path, f"job {job.job} makes it")
        elif file.body is None:
            absent = file.provenance is None
            kind = "is missing" if absent else "cannot be read"
            yield Finding("no provenance", path, f"{path}{SIDECAR} {kind}")
        elif file.body["sha256"] != file.sha256 or file.body["artefact"] != Path(path).name:
            yield Finding("altered", path, f"provenance states {file.body['sha256'][:12]}")
        elif difference := job.differs_from(file.body):
            yield Finding("stale", path, f"the DAG has {difference}")
        else:
            yield from _inputs(run, path, job, file)


def _inputs(run: Run, path: str, job: Expected, file: File) -> Iterator[Finding]:
    for given, digest in file.body["inputs"].items():
        if given not in job.inputs:
            yield Finding("stale", path, f"made from '{given}', which is no input of {job.job}")
        elif digest != run.digest(given, digest):
            yield Finding("rests on", path, f"made from other bytes of '{given}'")


def by_record(run: Run, record: Record, remade: bool) -> Iterator[Finding]:
    """Artefacts against the commit's manifest.

    Args:
        run: what is on disk.
        record: what the commit says.
        remade: accept the commit's bytes with the provenance of another run of the same recipe;
            times, which no run repeats, are then not held against the commit.
    """
    for path in run.maker:
        file, known = run.files[path], record.artefacts.get(path)
        if file.sha256 is None or (remade and TIMING in path):
            continue
        if known is None:
            yield Finding("not recorded", path, "the commit's manifest does not name it")
        elif known.sha256 != file.sha256:
            yield Finding("forged", path, f"the commit records {known.sha256[:12]}")
        elif known.provenance != file.provenance and not remade:
            yield Finding("remade", path, "provenance is not the one that the commit records")
    for path in set(record.artefacts) - set(run.maker):
        yield Finding("missing", path, "the commit records it, but no job of this preset makes it")


def by_trees(run: Run, record: Record) -> Iterator[Finding]:
    """Output folders against dvc.lock; files are named where DVC's cache holds the listing."""
    present = {p for path in run.maker for p in (path, path + SIDECAR) if Path(p).is_file()}
    for folder, digest in record.trees.items():
        if folder in record.left_out and not Path(folder).exists():
            continue
        inside = {str(p) for p in Path(folder).rglob("*") if p.is_file()}
        if folder == DATA:
            inside &= present  # other presets' data sets lie there too
        now = {p: dvc_tree.md5_file(Path(p)) for p in inside}
        if dvc_tree.tree_digest(folder, now) == digest:
            continue
        then = dvc_tree.listing(folder, digest)
        if then is None:
            yield Finding("forged", folder, f"not the files that dvc.lock records ({digest[:12]})")
            continue
        for path in sorted({p for p in {*now, *then} if now.get(p) != then.get(p)}):
            yield Finding("forged", path, "dvc.lock records other bytes")


def strangers(run: Run) -> Iterator[Finding]:
    """Files among the results that no job makes."""
    root = Path("results") / run.name
    known = {p for job in run.expected for p in job.outputs}
    for folder in OWNED:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and str(path) not in known and path.name != ".gitignore":
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
    for job in (j for j in run.expected if j.stage == "fetch"):
        folder = Path(job.artefacts[0]).parent
        if all((folder / f"{array}.npy").is_file() for array in ARRAYS):
            try:
                images.verify(folder.name, folder, registry=registry)
            except (NsgfError, ValueError) as error:
                what = error.what if isinstance(error, NsgfError) else str(error)
                yield Finding("foreign data", f"{DATA}/{folder.name}", what)


def left_out(expected: Iterable[Expected], record: Record) -> frozenset[str]:
    """Artefacts of folders that are not archived and are not here; the manifest knows them."""
    absent = [f for f in record.left_out if not Path(f).exists()]
    return frozenset(
        path
        for job in expected
        for path in job.artefacts
        if path in record.artefacts and any(path.startswith(f"{f}/") for f in absent)
    )

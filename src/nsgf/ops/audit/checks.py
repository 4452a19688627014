"""Judge the artefacts of a run: by themselves, by the DAG, and by what the commit records."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from nsgf.artifact import SIDECAR, sha256_file
from nsgf.config.preset import Preset
from nsgf.data import images, tables
from nsgf.engine.dag import snapshot_file, snapshot_text
from nsgf.errors import NsgfError
from nsgf.layout import DATA
from nsgf.ops.audit import dvc
from nsgf.ops.audit.expected import Expected
from nsgf.ops.audit.files import File
from nsgf.ops.audit.record import Artefact, Record

Kind = Literal[  # causes before effects
    "not the commit's",  # a tracked file that differs from the commit
    "foreign data",  # not the data set that upstream publishes
    "not recorded",  # the commit says nothing of it
    "missing",  # a job of the DAG makes it, but it is not there
    "altered",  # its bytes are not what its own provenance states
    "no provenance",  # none, or none that can be read
    "forged",  # in itself consistent, but not what the commit records
    "unknown",  # no job of the DAG makes it
    "not repeated",  # made again from its inputs, it had other bytes or numbers
    "stale",  # made by other code, settings or command than the DAG's
    "remade",  # the commit's bytes, with the provenance of a run that left no times
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
ASKING = "fetch-inception"  # its answer is about the machine that asks


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
        recipe: of each artefact by this tree's DAG, where the record has recipes too.
        others: what the rest of the preset makes, where this is a part of it.
        behind: of what is left out, that which lies behind restored files.
        snapshot: the preset that its jobs read.
    """

    name: str
    root: Path
    expected: Sequence[Expected]
    files: Mapping[str, File]
    record: Record
    elsewhere: Callable[[str], str | None]
    left_out: frozenset[str] = frozenset()
    recipe: Mapping[str, str] = field(default_factory=dict)
    others: frozenset[str] = frozenset()
    behind: frozenset[str] = frozenset()
    snapshot: str = ""

    @cached_property
    def maker(self) -> dict[str, Expected]:
        """The task behind each artefact."""
        return {path: task for task in self.expected for path in task.artefacts}

    @cached_property
    def comparable(self) -> dict[str, Artefact]:
        """What the record says of those artefacts that it knows by the recipe that they have."""
        known = ((p, self.record.artefacts.get(p)) for p in self.files)
        return {p: row for p, row in known if row and self.recipe.get(p, row.recipe) == row.recipe}

    @cached_property
    def outdated(self) -> int:
        """How many artefacts the record has of another recipe."""
        return len(self.files.keys() & self.record.artefacts.keys()) - len(self.comparable)

    @cached_property
    def own(self) -> frozenset[str]:
        """Artefacts whose provenance is not the recorded one: made by another run than that."""
        known = self.comparable.items()
        return frozenset(p for p, row in known if row.provenance != self.files[p].provenance)

    @cached_property
    def moved(self) -> frozenset[str]:
        """Artefacts, but for what rests on times, that have other bytes than the recorded ones."""
        here = ((p, row, self.files[p].sha256) for p, row in self.comparable.items())
        return frozenset(
            p for p, row, now in here if now not in (None, row.sha256) and TIMING not in p
        )

    def numerics(self, path: str) -> Mapping | None:
        """What an artefact was made with, by its own account; None where it does not say."""
        said = (self.files[path].body or {}).get("numerics")
        return said if isinstance(said, dict) else None

    def ran_anew(self, path: str) -> bool:
        """Whether the job of an artefact has left other times than the recorded ones."""
        task = self.maker[path]
        times = f"timings/{task.job}.tsv"
        file, recorded = self.root / times, self.record.files.get(times)
        if not file.is_file():  # data may have come with another preset's run
            return recorded is None or task.stage in ("fetch", ASKING)
        return sha256_file(file) != recorded

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
        elif impossible := _impossible(file.body["config"], run.numerics(path)):
            yield Finding("forged", path, impossible)
        else:
            for given, digest in file.body["inputs"].items():
                if given not in task.reads:
                    why = f"made from '{given}', which is no input of {task.job}"
                    yield Finding("stale", path, why)
                elif digest != run.digest(given, digest):
                    yield Finding("rests on", path, f"made from other bytes of '{given}'")
            if task.unit is not None:  # a commit whose jobs were commands says less of their inputs
                for given in set(task.reads) - set(file.body["inputs"]):
                    yield Finding("stale", path, f"not made from '{given}', which it should be")


def _impossible(config: Mapping | None, key: Mapping | None) -> str | None:
    """What is wrong with the numerics that provenance states, beside the settings stated there."""
    config = config or {}
    compute = config.get("compute") or config
    mode = compute.get("numerics")
    if mode is None:  # a download, or of before there were such settings
        return None
    key, device = key or {}, {"device": "cpu"}
    if key.get("device") == "cuda" and compute.get("device", "cpu") != "cpu":
        device = {"device": "cuda", "gpu": key.get("gpu")}
    if mode == "portable" and key != {"mode": mode, "arch": "x86_64"} | device:
        return f"its settings ask for portable numerics, and it states {dict(key)}"
    if mode != key.get("mode"):
        return f"its settings ask for {mode} numerics, and it states {dict(key)}"
    return None


def by_record(run: Run) -> Iterator[Finding]:
    """Artefacts against the commit's manifest.

    The provenance of a run of one's own is its own, and so are its times, on which claims rest; so
    may its bytes be, where `_due` does not ask for the recorded ones.
    """
    known = run.record.artefacts
    if run.outdated:
        why = f"the commit records {run.outdated} artefacts as other code or settings made them"
        yield Finding("not recorded", str(run.root), f"{why}: nsgf publish, then commit")
    for path in run.files.keys() - known.keys():
        if run.files[path].sha256:
            yield Finding("not recorded", path, "the commit's manifest does not name it")
    for path, row in run.comparable.items():
        if run.files[path].sha256 not in (None, row.sha256):
            if why := _due(run, path):
                yield Finding("forged", path, f"the commit records {row.sha256[:12]}: {why}")
        elif absent := path in run.own and run.behind.intersection(run.maker[path].reads):
            why = f"made here from '{min(absent)}', which is not here"
            yield Finding("rests on", path, why)
        elif path in run.own and not run.ran_anew(path):
            yield Finding("remade", path, "the commit records other provenance, and these times")
    for path in known.keys() - run.files.keys():
        yield Finding("missing", path, "the commit records it, but no job of this preset makes it")


def _due(run: Run, path: str) -> str | None:
    """Why an artefact must have the recorded bytes; None where it need not."""
    if not run.ran_anew(path):
        return "its job has left no times of its own"
    if TIMING in path or run.maker[path].stage == ASKING:
        return None
    if run.maker[path].stage == "fetch":
        return "data are the same everywhere"
    body, recorded = run.files[path].body, run.comparable[path].numerics
    if not body or recorded is None or recorded != run.numerics(path):
        return None
    given = ((digest, run.record.digest(p)) for p, digest in body["inputs"].items())
    if all(now == then for now, then in given if then):
        return "it was made from the recorded inputs with the recorded numerics"
    return None


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
        artefact = str(path).removesuffix(SIDECAR)
        made = artefact in run.files or artefact in run.others
        if path.is_file() and not made and path.name != ".gitignore":
            yield Finding("unknown", str(path), "no job of the DAG makes it")


def settings(preset: Preset) -> Iterator[Finding]:
    """The preset as the run has read it, against the preset."""
    path = snapshot_file(preset)
    if not path.is_file():
        yield Finding("missing", str(path), "the preset that jobs read")
    elif path.read_text() != snapshot_text(preset):
        yield Finding("altered", str(path), "not the settings that the preset gives")


def data(run: Run) -> Iterator[Finding]:
    """Image sets and tables against the digests that are known of them."""
    for task in (t for t in run.expected if t.stage == "fetch"):
        if not all(Path(path).is_file() for path in task.artefacts):
            continue
        first, (registry,) = Path(task.artefacts[0]), task.reads
        name, is_table = first.parent.name, len(task.artefacts) == 1
        form, place = (tables, first) if is_table else (images, first.parent)
        try:
            form.verify(name, place, registry=Path(registry))
        except (NsgfError, ValueError) as error:
            what = error.what if isinstance(error, NsgfError) else str(error)
            yield Finding("foreign data", f"{DATA}/{name}", what)

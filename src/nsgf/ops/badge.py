"""`nsgf badge`: the page that reviewers of an artefact ask for, as results/<preset>/evaluation.md.

What ACM asks for "functional" and "reproduced": what it is, that it runs here, what that
took, which claims it supports, and how its numbers stand to those that the commit records.
"""

import csv
import io
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from nsgf.artifact import read_json, write_text
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.errors import NsgfError
from nsgf.layout import DATA, Layout
from nsgf.ops import timing
from nsgf.ops.audit.git import Commit
from nsgf.ops.audit.run import audited, refuse_unsound
from nsgf.ops.audit.verdict import Audit
from nsgf.ops.text import duration, size

PAGE = "evaluation.md"
Table = Iterable[tuple[str, ...]]


def run(preset: Path) -> None:
    """Audit a finished run and write its page, whatever the verdict.

    Raises:
        NsgfError: there is no finished run, or it is not sound.
    """
    whole = load(preset, Preset)
    layout = Layout(f"results/{whole.name}")
    if not Path(layout.claims()).is_file():
        raise NsgfError(f"'{layout.root}' holds no claims", f"make reproduce PRESET={whole.name}")
    begun = time.monotonic()
    audit = audited(Commit(), Path(layout.root))
    took = time.monotonic() - begun
    blocks = [
        f"# Artefact evaluation: {whole.title}",
        f"**{audit.verdict.line}**",
        *audit.verdict.notes,
        _table(("what", "here"), _facts(audit, layout)),
        "## Functional",
        _smoke(audit, took),
        "## Claims",
        _table(("claim", "in words", "here", "recorded", "evidence here"), _claims(audit, layout)),
        "## Reproduced",
        _cells(audit),
    ]
    write_text(Path(layout.path(PAGE)), "\n\n".join(filter(None, blocks)) + "\n")
    print(f"{audit.verdict.line}\n  page  {layout.path(PAGE)}")
    refuse_unsound(audit)


def _facts(audit: Audit, layout: Layout) -> Iterator[tuple[str, ...]]:
    """What made it, with what, and what that took."""
    bodies = [file.body for file in audit.run.files.values() if file.body]
    yield "made by", f"`make reproduce PRESET={audit.run.name}`"
    yield "commit of the code", _each(body["commit"] for body in bodies)
    yield (
        "judged by commit",
        f"{audit.commit.id}, which records a run of {audit.run.record.made_by}",
    )
    for name in ("machine", "numerics", "versions"):
        yield name, _each(_pairs(body.get(name) or {}) for body in bodies)
    jobs = dict.fromkeys(task.job for task in audit.run.expected)
    seconds = [t.seconds for job in jobs if (t := timing.timing(audit.run.name, job))]
    yield "time of jobs", f"{len(seconds)} jobs, {duration(sum(seconds))} one after the other"
    last = Path(layout.path("timings", "run.json"))
    if last.is_file():
        cost = read_json(last)
        yield "last call", f"{duration(cost['wall_s'])}, {cost.get('peak_rss_mb', 0):.0f} MB"
    for folder in (layout.root, DATA):
        files = (p for p in Path(folder).rglob("*") if p.is_file())
        yield f"disk, {folder}", size(sum(p.stat().st_size for p in files))


def _smoke(audit: Audit, took: float) -> str:
    names = ", ".join(one.task.job for one in audit.repeated)
    failed = sum(bool(one.found) for one in audit.repeated)
    return (
        f"`nsgf audit {audit.run.root}` read {len(audit.run.files)} artefacts and ran"
        f" {len(audit.repeated)} jobs again from their recorded inputs in {duration(took)}:"
        f" {failed or 'none'} made something else ({names})."
    )


def _claims(audit: Audit, layout: Layout) -> Iterator[tuple[str, ...]]:
    """Each claim with its verdict here and in the recorded run: reproduced is supported."""
    recorded = (audit.run.record.read("timings/claims.csv") or b"").decode()
    there = {row["claim"]: row["verdict"] for row in csv.DictReader(io.StringIO(recorded))}
    with Path(layout.claims()).open() as file:
        for row in csv.DictReader(file):
            about = (row["claim"], row["text"], row["verdict"])
            yield (*about, there.get(row["claim"], "-"), row["evidence"])


def _cells(audit: Audit) -> str:
    """The tables beside the recorded ones."""
    if not audit.verdict.cells:
        return f"Verdict: {audit.verdict.name}. No cell had to be compared by its number."
    rows = [
        (c.table, c.label, "-" if c.furthest is None else f"{c.furthest:.2f}", str(c.agrees))
        for c in audit.verdict.cells
    ]
    said = "Differences from the recorded numbers, in half-widths of the recorded intervals:"
    return f"{said}\n\n{_table(('table', 'cell', 'difference', 'agrees'), rows)}"


def _each(values: Iterable[str | None]) -> str:
    return "; ".join(sorted({value or "unknown" for value in values}))


def _pairs(values: Mapping) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items()))


def _table(head: tuple[str, ...], rows: Table) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in r) + " |" for r in lines
    )

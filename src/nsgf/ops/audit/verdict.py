"""What an audit comes to, in a line that a stranger understands.

same bytes          everything is what the commit records
same within seeds   other numerics, and every cell agrees with the recorded one (`cells`)
differs             other numerics, and a cell does not agree, or cannot be judged
forged              something cannot be what it says it is
not judged          files are missing, of other code or settings, or nothing is recorded of them
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nsgf.artifact import sha256_json
from nsgf.layout import PUBLICATIONS
from nsgf.ops.audit.cells import Cell, cells
from nsgf.ops.audit.checks import Finding, Run
from nsgf.ops.audit.git import Commit
from nsgf.ops.audit.repeat import Repetition, is_of_here

Name = Literal["same bytes", "same within seeds", "differs", "forged", "not judged"]
FORGED = ("foreign data", "altered", "forged", "not repeated")
SOUND = ("same bytes", "same within seeds")


@dataclass(frozen=True)
class Verdict:
    """The verdict, its line, what else must be known of it, the cells that it rests on, and the
    jobs that it needs and that were not repeated."""

    name: Name
    line: str
    notes: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True)
class Audit:
    """What was audited, by which commit, what is wrong, what was run again, and the verdict."""

    run: Run
    commit: Commit
    found: Sequence[Finding]
    repeated: Sequence[Repetition]
    verdict: Verdict


def verdict(
    run: Run, found: Sequence[Finding], repeated: Sequence[Repetition], passed_over: Sequence[str]
) -> Verdict:
    """Judge what was found.

    Args:
        run: what was audited.
        found: all that is wrong.
        repeated: the tasks that were run again.
        passed_over: jobs that should have been, and take too long or lack files.
    """
    count = sum(f.sha256 is not None for p, f in run.files.items() if p not in run.left_out)
    if found:
        forged = [f for f in found if f.kind in FORGED]
        first, other = (forged or [*found])[0], len(found) - 1
        more = f", and {other} further findings" if other else ""
        what = f"{first.path} is {first.kind}" if forged else f"{first.path}: {first.kind}"
        line = f"This is not what it says it is: {what}" if forged else f"Not judged: {what}"
        return Verdict("forged" if forged else "not judged", f"{line} ({first.why}){more}.")
    if str(run.root).startswith(PUBLICATIONS):
        return Verdict(
            "same bytes", f"What is published is what the commit records: {count} files."
        )
    left = len(run.left_out & run.files.keys())
    notes = (f"{left} more that the commit records are not here.",) if left else ()
    if not run.own:
        line = f"This is the committed run: all {count} artefacts have its bytes and provenance."
        return Verdict("same bytes", line, notes)
    if not run.moved:
        line = f"Your run reproduces the committed one: all {count} artefacts have its bytes."
        return Verdict("same bytes", line, notes)
    return _by_numbers(run, repeated, passed_over, notes)


def _by_numbers(
    run: Run, repeated: Sequence[Repetition], passed_over: Sequence[str], known: Sequence[str]
) -> Verdict:
    """Of a run that was made with other numerics, and that nothing is wrong with."""
    judged = tuple(cells(run.record, run.root))
    agree, why = sum(cell.agrees for cell in judged), _why(run)
    tally = f"{agree} of {len(judged)} cells agree within seed noise; bytes differ because {why}"
    same = bool(judged) and agree == len(judged)
    line = f"Your run {'reproduces' if same else 'differs from'} the committed one: {tally}"
    notes = [*known, *(f"{c.table}: {c.label} {_how_far(c)}" for c in judged if not c.agrees)]
    keys = {sha256_json(key): key for p in run.moved if (key := run.numerics(p))}
    elsewhere = any(not is_of_here(key) for key in keys.values()) or not keys
    own = [r for r in repeated if not run.moved.isdisjoint(r.task.artefacts)]
    if own and elsewhere and not any(r.alike for r in own):
        line += (
            ". It says that a machine of another kind than this made it, whose bytes cannot be"
            f" checked here: {len(own)} of its jobs were repeated within tolerance"
        )
    if len(keys) > 1:
        notes.append(f"It was made with {len(keys)} kinds of numerics.")
    if passed_over:
        line += (
            ". NOT repeated, because they take over a minute or lack files:"
            f" {len(passed_over)} of the jobs that measured or drew it"
        )
        notes.append(f"Not repeated: {', '.join(passed_over)}")
    notes.append(
        "No audit can tell a run from one whose networks or samples were made up consistently,"
        " where no commit records their bytes."
    )
    name = "same within seeds" if same else "differs"
    return Verdict(name, f"{line}.", tuple(notes), judged, tuple(passed_over))


def _how_far(cell: Cell) -> str:
    if cell.furthest is None:
        return "has no interval to be judged by"
    return f"lies {cell.furthest:.1f} half-widths of the recorded interval away"


def _why(run: Run) -> str:
    """Where the numerics of what has other bytes differ from the recorded ones."""
    pairs = [(run.numerics(p), run.comparable[p].numerics) for p in sorted(run.moved)]
    told = [(ours, theirs) for ours, theirs in pairs if ours and theirs and ours != theirs]
    if not told:
        return "the numerics of one of the two are not known"
    (ours, theirs), *_ = told
    differing = [k for k in {**theirs, **ours} if ours.get(k) != theirs.get(k)]
    return f"your numerics are of another kind ({', '.join(differing)})"

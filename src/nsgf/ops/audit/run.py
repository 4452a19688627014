"""`nsgf audit`: is every number of a run what the git commit says, down to the data?"""

from pathlib import Path

from nsgf.artifact import json_text, write_text
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.errors import NsgfError
from nsgf.layout import PUBLICATIONS
from nsgf.ops.audit import record, repeat, show, subject, tracked
from nsgf.ops.audit.git import Commit
from nsgf.ops.audit.verdict import SOUND, Audit, verdict


def run(
    folder: Path,
    only: str | None,
    commit: str,
    recompute: int,
    seed: int | None,
    gate: bool,
    json: Path | None,
) -> None:
    """Audit a run, or what was published of one.

    Args:
        folder: results/<preset> or what is published of it, in results/published.
        only: the part of the preset that was run.
        commit: what is trusted; all else may be hostile.
        recompute: how many cheap jobs, drawn at random, to run again besides the judging ones.
        seed: of the draw; None leaves it to the operating system.
        gate: only refuse files that no honest run can have left, before a run goes on from them.
        json: where to write all of it; `-` writes to standard output instead of the table.

    Raises:
        NsgfError: something is not what it should be, or a number is another.
    """
    root = Commit(commit)
    if gate:
        print(f"{subject.gate(root, _preset(folder, only))} files may be built upon")
        return
    audit = audited(root, folder, recompute, seed, only)
    whole = json and json_text(show.as_json(audit))
    if json and json != Path("-"):
        write_text(json, whole)
    print(whole.rstrip() if json == Path("-") else show.as_text(audit))
    refuse_unsound(audit)


def refuse_unsound(audit: Audit) -> None:
    """Pass what is sound.

    Raises:
        NsgfError: something is not what it should be, or a number is another.
    """
    if audit.found:
        raise NsgfError(
            f"{audit.run.root} is not sound: {len(audit.found)} findings",
            "restore what the commit records (dvc checkout, git checkout), or remove what is"
            " named and run make reproduce COMPLETE=1; a new run of yours is recorded by nsgf"
            " publish",
        )
    if audit.verdict.name not in SOUND:
        raise NsgfError(
            f"{audit.run.root} holds other numbers than the commit records",
            "see the cells that are named; another preset or more seeds say more than this run",
        )


def audited(
    commit: Commit,
    folder: Path,
    recompute: int = 0,
    seed: int | None = None,
    only: str | None = None,
) -> Audit:
    """The audit of a folder of results, as `run` has it."""
    name, repeated, passed_over = _name(folder), [], []
    commit.check_objects()
    tracked.check_own_code()
    found = [*tracked.check(commit)]
    if folder.parent == Path(PUBLICATIONS):
        of, wrong = subject.of_published(commit, name)
    else:
        of, wrong = subject.of_results(commit, _preset(folder, only))
        chosen = repeat.chosen(of, {f.path for f in wrong}, recompute, seed)
        repeated, passed_over = repeat.repeat(of, chosen.tasks), chosen.passed_over
        found += [f for one in repeated for f in one.found]
    found = sorted([*found, *wrong], key=lambda f: f.rank)
    return Audit(of, commit, found, repeated, verdict(of, found, repeated, passed_over))


def glance(preset: Preset, file: Path) -> str:
    """The verdict's line on a whole run that has just ended, without running anything again.

    Where there is none (no git, a damaged commit, a disk that fails), the line says why.

    Args:
        preset: that was run.
        file: that it was read from.
    """
    try:
        return _glance(Commit(), preset, file)
    except (NsgfError, OSError) as error:
        return f"Not held against a committed run: {getattr(error, 'what', error)}."


def _glance(commit: Commit, preset: Preset, file: Path) -> str:
    committed = f"config/{preset.name}.yaml"
    known = committed in commit.files and file.resolve() == Path(committed).resolve()
    if not (known and record.of_publication(commit, preset.publication).artefacts):
        return f"Commit {commit.id[:10]} has no record of {preset.publication} to compare with."
    if any(tracked.check(commit)):
        return f"Not held against the committed run: code or settings differ from {commit.id[:10]}."
    of, found = subject.of_results(commit, preset)
    if of.outdated:
        return "The committed run was made by other code or settings: nothing to compare with."
    return verdict(of, sorted(found, key=lambda f: f.rank), [], []).line


def _preset(folder: Path, only: str | None) -> Preset:
    """The preset that a folder holds the run of, or that part of it.

    Raises:
        NsgfError: it is no folder of results, or there is no such part.
    """
    return load(Path(f"config/{_name(folder)}.yaml"), Preset).part(only)


def _name(folder: Path) -> str:
    """What a folder holds the run of.

    Raises:
        NsgfError: it is no folder of results.
    """
    if folder.parent in (Path("results"), Path(PUBLICATIONS)) and folder != Path(PUBLICATIONS):
        return folder.name
    raise NsgfError(
        f"'{folder}' is no folder of results",
        f"name results/<preset> or {PUBLICATIONS}/<preset>, from the top of the checkout",
    )

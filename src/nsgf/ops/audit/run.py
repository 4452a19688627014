"""`nsgf audit`: is every number of a run what the git commit says, down to the data?"""

from pathlib import Path

from nsgf.artifact import json_text, write_text
from nsgf.errors import NsgfError
from nsgf.layout import PUBLICATIONS
from nsgf.ops.audit import repeat, show, subject, tracked
from nsgf.ops.audit.git import Commit


def run(
    folder: Path,
    commit: str,
    recompute: int,
    seed: int | None,
    remade: bool,
    gate: bool,
    json: Path | None,
) -> None:
    """Audit a run, or what was published of one.

    Args:
        folder: results/<preset> or results/published/<preset>.
        commit: what is trusted; all else may be hostile.
        recompute: how many cheap jobs, drawn at random, to run again besides the judging ones.
        seed: of the draw; None leaves it to the operating system.
        remade: accept the commit's bytes with the provenance of another run.
        gate: only refuse files that no honest run can have left, before a run goes on from them.
        json: where to write all of it; `-` writes to standard output instead of the table.

    Raises:
        NsgfError: something is not what it should be.
    """
    root, name = Commit(commit), _preset(folder)
    if gate:
        print(f"{subject.gate(root, name)} files may be built upon")
        return
    root.check_objects()
    tracked.check_own_code()
    found, repeated = [*tracked.check(root)], []
    if folder.parent == Path(PUBLICATIONS):
        audited, wrong = subject.of_published(root, name)
    else:
        audited, wrong = subject.of_results(root, name, remade)
        repeated = repeat.chosen(audited, {f.path for f in wrong}, recompute, seed)
        found += repeat.compare(name, repeated)
    found = sorted([*found, *wrong], key=lambda f: f.rank)
    whole = json and json_text(show.as_json(audited, found, root, repeated))
    if json and json != Path("-"):
        write_text(json, whole)
    print(whole.rstrip() if json == Path("-") else show.as_text(audited, found, root, repeated))
    if found:
        raise NsgfError(
            f"{folder} is not sound: {len(found)} findings",
            "restore what the commit records (dvc checkout, git checkout), or remove what is"
            " named and run make reproduce COMPLETE=1; a new run of yours is recorded by nsgf"
            " publish",
        )


def _preset(folder: Path) -> str:
    """The preset of a folder.

    Raises:
        NsgfError: it is no folder of results.
    """
    if folder.parent in (Path("results"), Path(PUBLICATIONS)) and folder != Path(PUBLICATIONS):
        return folder.name
    raise NsgfError(
        f"'{folder}' is no folder of results",
        f"name results/<preset> or {PUBLICATIONS}/<preset>, from the top of the checkout",
    )

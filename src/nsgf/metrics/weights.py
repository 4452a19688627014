"""Where the Inception weights are looked for; apart from the network, so that a look is cheap.

First the file $NSGF_INCEPTION, then the cache folder ($NSGF_CACHE, or the user's cache).
"""

import os
from pathlib import Path

from nsgf.errors import NsgfError

INCEPTION_FILE = "inception-2015-12-05.pt"


def cached_inception() -> Path:
    """Where a download goes, and where a copy may be put by hand."""
    import platformdirs

    folder = os.environ.get("NSGF_CACHE") or platformdirs.user_cache_dir("nsgf")
    return Path(folder) / INCEPTION_FILE


def inception_file() -> Path | None:
    """The weights' file, unverified; None where there is none.

    Raises:
        NsgfError: $NSGF_INCEPTION names no file.
    """
    named = os.environ.get("NSGF_INCEPTION")
    path = Path(named) if named else cached_inception()
    if named and not path.is_file():
        raise NsgfError(f"NSGF_INCEPTION is {named!r}, which is no file", "correct or unset it")
    return path if path.is_file() else None

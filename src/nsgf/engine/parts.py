"""Parts of one unit that parallel jobs made: are they all of the same work?

That they are there, with the bytes that their provenance states, is checked of every input.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from nsgf.artifact import read_json, sha256_file, sidecar
from nsgf.engine.task import Unit
from nsgf.errors import NsgfError


def check_parts(
    paths: Sequence[Path],
    stage: str,
    unit: Unit,
    settings: Mapping,
    sources: Sequence[Path] = (),
) -> None:
    """Compare the provenance of parts with the work that they should be of.

    Args:
        paths: a file of each shard, in order.
        stage: what makes them.
        unit: what they are parts of.
        settings: some that they must have been made with.
        sources: files that they must have been made from, as they are now.

    Raises:
        NsgfError: a part is of another unit, number of shards or settings, of other sources, or of
            other settings, code or inputs than the first one is.
    """
    wanted, first = {**settings, "shards": len(paths)}, None
    now = {str(path): sha256_file(path) for path in sources}
    for shard, path in enumerate(paths):
        said = read_json(sidecar(path))
        first = first or said
        if (said["stage"], said["unit"]) != (stage, unit | {"shard": shard}):
            raise unusable(path, f"it is not shard {shard} of this set")
        if any(said["config"].get(key) != value for key, value in wanted.items()):
            raise unusable(path, "it was made with other settings")
        if any(said["inputs"].get(source) != digest for source, digest in now.items()):
            raise unusable(path, "it was made from other files than those that are here")
        if any(said[key] != first[key] for key in ("config", "code", "inputs")):
            raise unusable(path, "its code or inputs differ from those of the first part")


def unusable(path: Path, why: str) -> NsgfError:
    """The one message about a part that cannot be joined."""
    return NsgfError(f"part '{path}' cannot be joined: {why}", f"build it again: nsgf make {path}")

"""Parts of one unit that parallel jobs made: are they all there, whole, and of the same work?"""

from collections.abc import Sequence
from pathlib import Path

from nsgf.artifact import read_json, sha256_file, sidecar
from nsgf.errors import NsgfError
from nsgf.stages.unit import Unit


def check_parts(files: Sequence[Sequence[Path]], unit: Unit, stage: str, config: object) -> dict:
    """Compare the provenance of parts with the work that they should be of; returns the first's.

    Args:
        files: of each shard, in order.
        unit: what they are parts of.
        stage: the sub-command that makes them.
        config: JSON value of its settings.

    Raises:
        NsgfError: a part is missing, altered, or of other work: another unit, number of shards or
            settings than asked for, or other code, inputs or facts than the first part has.
    """
    first = None
    for shard, names in enumerate(files):
        for file in names:
            if not (file.exists() and sidecar(file).exists()):
                raise unusable(file, "it is missing, or has no provenance")
            stated = read_json(sidecar(file))
            first = first or stated
            facts = first["facts"] | {"unit": unit | {"shard": shard}, "shards": len(files)}
            if (stated["stage"], stated["config"]) != (stage, config):
                raise unusable(file, "it was made with other settings")
            if stated["facts"] != facts:
                raise unusable(file, f"it is not shard {shard} of {len(files)} of this set")
            if any(stated[key] != first[key] for key in ("code", "inputs")):
                raise unusable(file, "its code or inputs differ from those of the first part")
            if stated["sha256"] != sha256_file(file):
                raise unusable(file, "its bytes are not those that its provenance states")
    return first


def unusable(file: Path, why: str) -> NsgfError:
    """The one message about a part that cannot be joined."""
    return NsgfError(
        f"part '{file}' cannot be joined: {why}", "remove it and run make reproduce again"
    )

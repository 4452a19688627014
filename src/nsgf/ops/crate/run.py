"""`nsgf crate`: export a finished run as a Workflow Run RO-Crate, for a journal's archive."""

from collections.abc import Sequence
from pathlib import Path

from nsgf.errors import NsgfError
from nsgf.ops.crate.describe import Description
from nsgf.ops.crate.finished import Finished, finished_run
from nsgf.ops.crate.pack import pack
from nsgf.private import leaks

NUMBERS = (".npy", ".npz", ".safetensors")  # no words in these, and they may be large


def run(preset: Path, out: Path, without: Sequence[str] = (), agent: str | None = None) -> None:
    """Write the crate of a preset's run in this folder.

    Args:
        preset: the preset.
        out: crate.zip, or a new folder.
        without: kinds of artefacts that the crate names, with their digests, but does not hold.
        agent: name of the person who ran it; by default it says nothing of persons.

    Raises:
        NsgfError: the run is not complete, a file differs from its provenance or holds something
            private, or `out` exists.
    """
    finished = finished_run(preset, without)
    _refuse_private(finished)
    pack(Description(finished, agent).whole(), finished.files, out)
    print(f"{out}: {len(finished.files)} files, {len(finished.left_out)} more by digest")


def _refuse_private(finished: Finished) -> None:
    """A crate is published: no credentials, and no folder of this machine, may stand in it."""
    folders = [str(place) for place in (Path.cwd(), Path.home()) if len(place.parts) > 1]
    for path in (p for p in finished.files if not p.endswith(NUMBERS)):
        text = Path(path).read_bytes().decode("latin1")
        found = leaks(text) + [f"the local folder {f}" for f in folders if f"{f}/" in text]
        if found:
            raise NsgfError(
                f"no crate: '{path}' holds {', '.join(found)}",
                "remove it from that file; if a stage wrote it, run the stage again without it",
            )

"""`nsgf verify`: does every artefact of a run still hold the bytes that its provenance states?"""

import json
from pathlib import Path

from nsgf.artifact import SIDECAR, sha256_file, sidecar
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.errors import NsgfError
from nsgf.jobs import jobs
from nsgf.progress import bar


def run(preset: Path) -> None:
    """Re-hash what is there; files that are not made yet are passed over.

    Raises:
        NsgfError: files differ from their provenance, or have none.
    """
    files = [Path(p) for job in jobs(load(preset, Preset)) for p in job.outputs]
    files = [p for p in files if p.exists() and not p.name.endswith(SIDECAR)]
    with bar(len(files), "verify") as progress:
        wrong = []
        for file in files:
            if _stated(file) != sha256_file(file):
                wrong.append(file)
            progress.update()
    if wrong:
        raise NsgfError(
            f"{len(wrong)} of {len(files)} files are not what their provenance states: "
            + ", ".join(map(str, wrong[:5])),
            "restore them (dvc checkout), or remove them and run make reproduce",
        )
    print(f"{len(files)} files hold the bytes that their provenance states")


def _stated(file: Path) -> str | None:
    try:
        return json.loads(sidecar(file).read_text())["sha256"]
    except (OSError, ValueError, KeyError):
        return None

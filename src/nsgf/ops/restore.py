"""`nsgf restore`: put what is published of a run back where it was made, to go on from there.

Only what this tree's settings and code would make, and what is not here yet. Of what lies behind
it, such as networks, nothing is made again until something that is missing asks for it; `make
reproduce COMPLETE=1` makes all of it.
"""

import os
import shutil
import time
from pathlib import Path

from nsgf.artifact import SIDECAR, atomic, read_json, sha256_file, write_json
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.engine.dag import jobs
from nsgf.engine.lineage import recipes
from nsgf.errors import NsgfError
from nsgf.layout import PUBLICATIONS, Layout
from nsgf.ops.audit.git import Commit
from nsgf.ops.audit.record import Record, of_publication
from nsgf.ops.cost import COST


def run(preset: Path, only: str | None = None) -> None:
    """Restore what is published of a preset, or of a part of it.

    Raises:
        NsgfError: nothing is published that these settings and this code would make, or a published
            file is not what the commit records.
    """
    whole, here = load(preset, Preset).part(only), Commit()
    known, layout = of_publication(here, whole.publication), Layout(f"results/{whole.name}")
    files = _same(whole, known)
    if not files:
        raise NsgfError(
            f"commit {here.id[:10]} has published nothing that {whole.publication} would make",
            f"run: make reproduce PRESET={whole.name}",
        )
    root, missing = Path(PUBLICATIONS, whole.publication), []
    for name in files:
        if not Path(layout.path(name)).exists():
            if not (root / name).is_file() or sha256_file(root / name) != known.files[name]:
                raise NsgfError(
                    f"'{root / name}' is not what commit {here.id[:10]} records",
                    "restore it: git checkout",
                )
            missing.append(name)
    # Before any file: what lies behind them is then known to be elsewhere.
    every = recipes(jobs(whole))
    paths = {layout.path(name).removesuffix(SIDECAR) for name in files}
    about = read_json(Path(layout.restored)) if Path(layout.restored).exists() else {"recipes": {}}
    about["recipes"] |= {path: every[path] for path in sorted(paths & every.keys())}
    write_json(Path(layout.restored), about | {"commit": here.id})
    now = time.time_ns()  # of all: none is newer than what was made from it
    for name in missing:
        with atomic(Path(layout.path(name))) as temporary:
            shutil.copyfile(root / name, temporary)
            os.utime(temporary, ns=(now, now))
    print(f"{len(missing)} files restored, {len(files) - len(missing)} were here: {layout.root}")


def _same(preset: Preset, known: Record) -> list[str]:
    """Published copies, by their paths there, that this preset would make: artefacts with their
    provenance, and times of jobs."""
    every, layout = jobs(preset), Layout(f"results/{preset.name}")
    recipe = recipes(every)

    def alike(path: str) -> bool:
        row = known.artefacts.get(path)
        return row is not None and row.recipe == recipe.get(path)

    made = {p for p in recipe if alike(p)}
    wanted = {layout.path("timings", COST)}
    wanted |= {p for path in made for p in (path, path + SIDECAR)}
    for job in every:
        if made.issuperset(job.artefacts):
            wanted |= {layout.timing(job.name), *(task.timing for task in job.tasks)}
    return [name for name in known.files if layout.path(name) in wanted]

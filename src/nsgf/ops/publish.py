"""`nsgf publish`: copy the small results of a finished run into results/published, to be committed.

results/published/<preset>/{tables,figures,metrics,timings}/ with every file's provenance, and
MANIFEST.json: the digest of each file, the commit whose code makes them, and digests, recipes and
numerics of all artefacts of the run: what `nsgf audit` trusts once it is committed. The table in
README.md between its two markers is made anew from all that is published: it cannot say anything
else.
"""

import shutil
from pathlib import Path

import pandas as pd

from nsgf.artifact import (
    atomic,
    read_json,
    sha256_file,
    sha256_json,
    sidecar,
    write_json,
    write_text,
)
from nsgf.config.base import load
from nsgf.config.preset import Preset
from nsgf.config.published import published_of
from nsgf.engine.dag import jobs
from nsgf.engine.lineage import recipes
from nsgf.errors import NsgfError
from nsgf.layout import PUBLICATIONS, Layout, is_beside, manifest_path, paper_file
from nsgf.ops.audit import tracked
from nsgf.ops.audit.git import Commit
from nsgf.ops.audit.subject import sound
from nsgf.ops.page import arrange, markdown
from nsgf.registry import METHODS
from nsgf.report import render, target_tables
from nsgf.report import tables as tables_module

FOLDER = Path(PUBLICATIONS)
MARKERS = ("<!-- published results: begin -->", "<!-- published results: end -->")
KINDS = ("tables/*", "figures/*", "metrics/**/*.json", "timings/*")
ASIDE = ("tuning", "sweeps")  # not in README.md
SHOWN = {  # metrics of README.md
    "w2": "`w2`, exact W2 of 1024 samples",
    "sw2_debiased": "`sw2_debiased`, debiased sliced W2², near 0 for the target itself",
    "fid": "`fid`",
    "fd_effnet_lite0": "`fd_effnet_lite0`",
    "fd_classifier": "`fd_classifier`",
}
HIDDEN = ("velocity error, first step", "largest", "shared by all particles", "length", "problems")
LARGEST = 2_000_000  # bytes; git holds small files only


def run(preset: Path) -> None:
    """Publish what the preset's results hold.

    Raises:
        NsgfError: there is nothing to publish, the tables were not made by clean commits, an
            artefact is not what its provenance and the DAG say, or the DAG is not this commit's.
    """
    whole = load(preset, Preset)
    source, target = Path(Layout(f"results/{whole.name}").root), FOLDER / whole.name
    found = [p for kind in KINDS for p in sorted(source.glob(kind)) if p.is_file()]
    files = [p for p in found if p.stat().st_size < LARGEST]
    tables = [p for p in files if p.suffix == ".csv" and p.parent.name == "tables"]
    if not tables:
        raise NsgfError(f"'{source}' holds no table", f"run: make reproduce PRESET={whole.name}")
    made_by = {read_json(sidecar(p))["commit"] for p in tables}
    if unclean := [c for c in made_by if c is None or "+" in c]:
        raise NsgfError(
            f"the tables were not made by clean commits: {unclean[0]}",
            "commit, remove the tables and run make reproduce again",
        )
    # Older commits may have made what a newer one left as it was: all must be what this one makes.
    judged, here = sound(whole), Commit()
    if changed := next(tracked.check(here), None):
        raise NsgfError(
            f"'{changed.path}' is not the commit's: nobody else could judge what is published",
            "commit it, and publish again",
        )
    recipe = recipes(jobs(whole))
    shutil.rmtree(target, ignore_errors=True)
    for path in files:
        with atomic(target / path.relative_to(source)) as temporary:
            shutil.copyfile(path, temporary)
    digests = {str(p.relative_to(source)): sha256_file(p) for p in files}
    manifest = {"commit": here.id, "title": whole.title, "files": digests}
    # Of every artefact the digests of its bytes and provenance, its recipe, its numerics by name.
    made = judged.files.items()
    named = {p: sha256_json(f.body["numerics"])[:8] for p, f in made if f.body.get("numerics")}
    manifest["numerics"] = {name: judged.files[p].body["numerics"] for p, name in named.items()}
    manifest["artefacts"] = {p: [f.sha256, f.provenance, recipe[p], named.get(p)] for p, f in made}
    manifest["labels"] = _labels(whole)
    write_json(Path(manifest_path(whole.name)), manifest)
    write_readme(Path("README.md"))


def _labels(preset: Preset) -> dict[str, str]:
    """Printed names of all rows."""
    found: dict[str, str] = {}
    for study in preset.studies.values():
        paper = Path(paper_file(study.paper)) if study.paper else None
        found |= tables_module.labels_of(study, published_of(paper))
    return found


def write_readme(readme: Path) -> None:
    """Put the table of all published results between the markers of README.md."""
    text = readme.read_text()
    before, after = text.split(MARKERS[0])[0], text.split(MARKERS[1])[1]
    write_text(readme, f"{before}{MARKERS[0]}\n{readme_table()}{MARKERS[1]}{after}")


def readme_table() -> str:
    """The main metrics of all published tables as papers print them, in Markdown, under the title
    of each run."""
    parts = []
    for manifest in sorted(FOLDER.glob("*/MANIFEST.json")):
        if manifest.parent.name in ASIDE:
            continue
        about, folder = read_json(manifest), manifest.parent / "tables"
        labels = {n: m.label for n, m in METHODS.items()} | about.get("labels", {})
        parts.append(f"**{about['title']}** (commit {about['commit'][:10]})\n")
        tables = sorted(folder.glob("table*.csv"))
        for path in (p for p in tables if not is_beside(p.stem)):
            long = f"[intervals, seeds, protocols, verdicts]({path.with_suffix('.md')})"
            for grid in (g for g in arrange.grids(pd.read_csv(path)) if g.metric in SHOWN):
                parts.append(f"{SHOWN[grid.metric]}; {long}:\n")
                parts.append(markdown.table(grid, labels))
        targets = folder / "targets.csv"
        if targets.exists():
            shown = target_tables.display(pd.read_csv(targets))
            parts.append(render.markdown_table(shown.drop(columns=[*HIDDEN])))
    return "\n".join(parts)

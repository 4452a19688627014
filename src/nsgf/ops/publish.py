"""`nsgf publish`: copy the small results of a finished run into results/published, to be committed.

results/published/<preset>/{tables,figures,metrics,timings}/ with every file's provenance and the
small files that they are made from, and MANIFEST.json: the digest of each file, the commit whose
code makes them, and digests, recipes and numerics of all artefacts of the run: what `nsgf audit`
trusts once it is committed. A study that was run alone is published as <preset>-<study>. The table
in README.md between its two markers is made anew from all that is published: it cannot say anything
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
from nsgf.engine.task import with_sidecars
from nsgf.errors import NsgfError
from nsgf.layout import PUBLICATIONS, Layout, is_beside, manifest_path, paper_file
from nsgf.ops.audit import tracked
from nsgf.ops.audit.git import Commit
from nsgf.ops.audit.record import Record, of_publication
from nsgf.ops.audit.subject import is_shown, sound
from nsgf.ops.page import arrange, markdown
from nsgf.registry import METHODS
from nsgf.report import render, target_tables
from nsgf.report import tables as tables_module

FOLDER = Path(PUBLICATIONS)
MARKERS = ("<!-- published results: begin -->", "<!-- published results: end -->")
OF_RUN = ("run.json", "plan.json", "timeline.csv", "timeline.png", "cost.csv", "cost.png")
ASIDE = ("tuning", "sweeps")  # not in README.md
SHOWN = {  # metrics of README.md
    "w2": "`w2`, exact W2 of 1024 samples",
    "sw2_debiased": "`sw2_debiased`, debiased sliced W2², near 0 for the target itself",
    "log10_symkl": "`log10_symkl`, log10 of the symmetric divergence from the target, in the place"
    " of a floor the exact scheme's",
    "energy": "`energy` of the last state, in the place of a floor the exact end's",
    "radius": "`radius` of the last state, in the place of a floor the exact one",
    "accuracy": "`accuracy` on unseen rows, in the place of a floor the long chain's",
    "mean_gap": "`mean_gap` to the chain's means, in its standard deviations",
    "fid": "`fid`",
    "fd_effnet_lite0": "`fd_effnet_lite0`",
    "fd_classifier": "`fd_classifier`",
}
HIDDEN = ("velocity error, first step", "largest", "shared by all particles", "length", "problems")
LARGEST = 2_000_000  # bytes; git holds small files only
LARGEST_INPUT = 100_000  # of what tables, figures and claims are made from


def run(preset: Path, only: str | None = None, measured: bool = False) -> None:
    """Publish what the preset's results hold, or those of a part of it.

    Of a run that `nsgf restore` began, what is not here stays as the commit records it. With
    `measured` the run may be an unfinished one: what has been measured is kept for the next.

    Raises:
        NsgfError: there is nothing to publish, the tables were not made by clean commits, an
            artefact is not what its provenance and the DAG say, or the DAG is not this commit's.
    """
    whole = load(preset, Preset).part(only)
    source, target = Path(Layout(f"results/{whole.name}").root), FOLDER / whole.publication
    files = _files(whole, measured)
    tables = [p for p in files if p.suffix == ".csv" and p.parent.name == "tables"]
    if not (tables or (measured and any("metrics" in p.parts for p in files))):
        raise NsgfError(
            f"'{source}' holds no table",
            f"run: make reproduce PRESET={whole.name}; --measured publishes an unfinished run",
        )
    made_by = {read_json(sidecar(p))["commit"] for p in tables}
    if unclean := [c for c in made_by if c is None or "+" in c]:
        raise NsgfError(
            f"the tables were not made by clean commits: {unclean[0]}",
            "commit, remove the tables and run make reproduce again",
        )
    # Older commits may have made what a newer one left as it was: all must be what this one makes.
    here = Commit()
    known = of_publication(here, whole.publication)
    _refuse_loss(whole, known)
    judged = sound(whole, known, unfinished=measured)
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
    title, _ = whole.said_of(whole.part_name)  # the preset's, of several studies
    manifest = {"preset": whole.name, "only": whole.only, "commit": here.id}
    manifest |= {"title": title, "files": digests}
    # Of every artefact the digests of its bytes and provenance, its recipe, its numerics by name.
    made = [(p, f) for p, f in judged.files.items() if f.sha256]
    made = [(p, f) for p, f in made if not (measured and is_shown(judged, p))]
    keys = {p: f.body["numerics"] if f.body else known.artefacts[p].numerics for p, f in made}
    named = {p: sha256_json(key)[:8] for p, key in keys.items() if key}
    manifest["numerics"] = {name: keys[p] for p, name in named.items()}
    manifest["artefacts"] = {p: [f.sha256, f.provenance, recipe[p], named.get(p)] for p, f in made}
    manifest["labels"] = _labels(whole)
    write_json(Path(manifest_path(whole.publication)), manifest)
    write_readme(Path("README.md"))


def _refuse_loss(preset: Preset, known: Record) -> None:
    """Publish over a part only what has all its data sets.

    Raises:
        NsgfError: the commit's record has others.
    """
    if not known.files or known.only is None:
        return
    before, now = (
        {(n, d) for n, study in part.running.items() for d in study.datasets}
        for part in (preset.part(known.only), preset)
    )
    if lost := sorted(f"{study}/{dataset}" for study, dataset in before - now):
        raise NsgfError(
            f"'{preset.publication}' has {', '.join(lost)}, which would be lost",
            "run nsgf restore, and publish these along",
        )


def _files(preset: Preset, measured: bool) -> list[Path]:
    """What is published of a run: tables, figures and claims with what they are made from, all that
    was measured, and times; where it was `measured` alone, not what is made of it all."""
    layout, every = Layout(f"results/{preset.name}"), jobs(preset)
    shown = [job for job in every if job.reported]
    inputs = (p for job in shown for p in with_sidecars(job.inputs))
    numbers = (p for job in every for p in job.outputs if "/metrics/" in p and ".json" in p)
    times = [layout.timing(job.name) for job in every]
    times += [layout.path("timings", name) for name in OF_RUN]
    wanted = dict.fromkeys(inputs, LARGEST_INPUT)
    made = () if measured else (p for j in shown for p in j.outputs)
    wanted |= dict.fromkeys((*numbers, *times, *made), LARGEST)
    own = ((Path(p), most) for p, most in wanted.items() if p.startswith(f"{layout.root}/"))
    return sorted(p for p, most in own if p.is_file() and p.stat().st_size < most)


def _labels(preset: Preset) -> dict[str, str]:
    """Printed names of all rows."""
    found: dict[str, str] = {}
    for study in preset.running.values():
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
        if not folder.is_dir():  # of a run that is not finished
            continue
        labels = {n: m.label for n, m in METHODS.items()} | about.get("labels", {})
        parts.append(f"**{about['title']}** (commit {about['commit'][:10]})\n")
        tables = sorted(p for p in folder.glob("*.csv") if p.stem != "targets")
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

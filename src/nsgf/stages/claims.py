"""The claims of the papers, judged on this run's tables, paths and times."""

from collections.abc import Iterator

from nsgf.config.figure import ReportStage
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.layout import paper_file
from nsgf.registry import claims_of, module_of, shown_entries
from nsgf.stages.table import ENDINGS


class ClaimsStage(ReportStage):
    """All that decides the verdicts beside what was measured."""

    studies: dict[str, tuple[str, str | None, bool]]
    """Kind and paper of each study that has claims, no paper where the kind has claims of its own;
    and whether it is reduced."""


def tasks(outline: Outline) -> Iterator[Task]:
    """One, where a study of a paper has claims."""
    studies = outline.preset.running.items()
    judged = {
        name: (study.kind, study.paper, bool(outline.preset.said_of(name)[1]))
        for name, study in studies
        if claims_of(study.kind)[0] and (study.paper or _own(study.kind))
    }
    if not judged:
        return
    papers = {paper for _, paper, _ in judged.values() if paper}
    inputs = {f"paper {paper}": paper_file(paper) for paper in sorted(papers)}
    for name, (kind, *_) in judged.items():
        inputs[f"table {name}"] = outline.layout.table(name)
        found = module_of(claims_of(kind)[1]).inputs(outline, name)
        inputs |= {f"{name} {what}": paths for what, paths in found.items()}
    kinds = [claims_of(kind) for kind, *_ in judged.values()]
    yield Task(
        "claims",
        {},
        ClaimsStage.of(outline.preset, "claims", studies=judged),
        inputs=inputs,
        outputs={e: outline.layout.claims(e) for e in ENDINGS},
        modules=tuple(sorted({module for pair in kinds for module in pair})),
        entries=shown_entries({kind for kind, *_ in judged.values()}),
        part="claims",
        reported=True,
        local=True,
        labels={"table": "claims"},
        caption="claims",
    )


def _own(kind: str) -> dict[int, str]:
    """Claims of a kind that are of no paper."""
    return getattr(module_of(claims_of(kind)[1]), "CLAIMS", {})


def make(settings: ClaimsStage, unit, files) -> None:
    """Judge every claim of every paper, or of a kind's own, that the run has a study of."""
    import pandas as pd

    from nsgf.report import render

    groups: dict[tuple, list[str]] = {}
    for name, (kind, paper, _) in settings.studies.items():
        groups.setdefault((paper, None if paper else kind), []).append(name)
    found = []
    for paper, kind in sorted(groups, key=str):
        found += _judged(settings, files.inputs, groups[paper, kind], paper)
    frame = pd.DataFrame(map(vars, found)).astype(str)
    notes = [
        "Times are of this machine and run; they are not part of any table.",
        "Where a job was resumed after a kill, its time is that of its last attempt: no verdict.",
    ]
    title = f"Claims of the paper - {settings.title}"
    render.write_forms(files.outputs, render.Page(title, notes, frame, frame))


def _judged(settings: ClaimsStage, inputs, names: list[str], paper: str | None) -> list:
    """A finding for each claim of some studies' paper, or of their kind: the first study's."""
    import pandas as pd

    from nsgf.config.published import Published, published_of
    from nsgf.report.finding import not_run

    own = Published(claims=_own(settings.studies[names[0]][0]))
    published, found = published_of(inputs[f"paper {paper}"]) if paper else own, {}
    for name in names:
        mine = [key for key in inputs if key.startswith(f"{name} ")]
        given = {key.removeprefix(f"{name} "): inputs[key] for key in mine}
        kind, _, reduced = settings.studies[name]
        table = pd.read_csv(inputs[f"table {name}"])
        for one in module_of(claims_of(kind)[0]).judge(table, given, reduced, published):
            found.setdefault(one.claim, one)
    return [found.get(k) or not_run(k, published) for k in sorted(published.claims)]

"""The claims of the papers, judged on this run's tables, paths and times."""

from collections.abc import Iterator

from nsgf.config.base import Model
from nsgf.engine.dag import Outline
from nsgf.engine.task import Task
from nsgf.layout import paper_file
from nsgf.registry import DATASETS, METHODS, STUDIES, module_of
from nsgf.stages.table import ENDINGS


class ClaimsStage(Model):
    """All that decides the verdicts beside what was measured."""

    seed: int
    title: str
    reduced: tuple[str, ...]
    studies: dict[str, str]
    """Kind of each study that has claims."""
    papers: dict[str, str | None]
    """Paper of each; null where the kind has claims of its own."""


def tasks(outline: Outline) -> Iterator[Task]:
    """One, where a study of a paper has claims."""
    preset = outline.preset
    judged = {n: s for n, s in preset.studies.items() if _claims(s.kind, s.paper)}
    if not judged:
        return
    settings = ClaimsStage(
        seed=preset.seed,
        title=preset.title,
        reduced=preset.reduced,
        studies={name: study.kind for name, study in judged.items()},
        papers={name: study.paper for name, study in judged.items()},
    )
    papers = {paper for paper in settings.papers.values() if paper}
    inputs = {f"paper {paper}": paper_file(paper) for paper in sorted(papers)}
    for name, study in judged.items():
        inputs[f"table {name}"] = outline.layout.table(name)
        found = module_of(_kind(study.kind).evidence).inputs(outline, name)
        inputs |= {f"{name} {what}": paths for what, paths in found.items()}
    yield Task(
        "claims",
        {},
        settings,
        inputs=inputs,
        outputs={e: outline.layout.claims(e) for e in ENDINGS},
        modules=tuple(sorted({m for s in judged.values() for m in _modules(s.kind)})),
        entries=(*DATASETS.items(), *METHODS.items()),
        part="claims",
        reported=True,
        local=True,
        labels={"table": "claims"},
        caption="claims",
    )


def _kind(name: str):
    return module_of(STUDIES[name]).KIND


def _modules(kind: str) -> tuple[str, str]:
    return _kind(kind).claims, _kind(kind).evidence


def _claims(kind: str, paper: str | None) -> bool:
    """Whether a study has claims: its paper's, or of its kind."""
    return bool(_kind(kind).claims) and bool(paper or _own(kind))


def _own(kind: str) -> dict[int, str]:
    """Claims of a kind that are of no paper."""
    return getattr(module_of(_kind(kind).evidence), "CLAIMS", {})


def make(settings: ClaimsStage, unit, files) -> None:
    """Judge every claim of every paper that the run has a study of."""
    import pandas as pd

    from nsgf.config.published import Published, published_of
    from nsgf.report import finding, render

    found = []
    groups = {
        (paper, None if paper else settings.studies[n]) for n, paper in settings.papers.items()
    }
    for paper, kind in sorted(groups, key=str):
        own = Published(claims=_own(kind)) if kind else None
        published, mine = own or published_of(files.inputs[f"paper {paper}"]), {}
        for name in (n for n, p in settings.papers.items() if p == paper):
            if kind not in (None, settings.studies[name]):
                continue
            table = pd.read_csv(files.inputs[f"table {name}"])
            given = {
                k.removeprefix(f"{name} "): v
                for k, v in files.inputs.items()
                if k.startswith(f"{name} ")
            }
            judge = module_of(_kind(settings.studies[name]).claims).judge
            for one in judge(table, given, bool(settings.reduced), published):
                mine.setdefault(one.claim, one)
        found += [mine.get(k) or finding.not_run(k, published) for k in sorted(published.claims)]
    frame = finding.frame(found).astype(str)
    notes = [
        "Times are of this machine and run; they are not part of any table.",
        "Where a job was resumed after a kill, its time is that of its last attempt: no verdict.",
    ]
    title = f"Claims of the paper - {settings.title}"
    render.write_forms(files.outputs, title, notes, frame, frame)

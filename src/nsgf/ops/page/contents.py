"""What a report says: verdicts, tables, figures, cost and facts of a run, read from its files."""

import base64
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from nsgf.artifact import read_json, readable, sidecar
from nsgf.config.preset import Preset
from nsgf.config.published import published_of
from nsgf.engine.dag import Outline, jobs
from nsgf.layout import Layout, paper_file
from nsgf.ops.page.arrange import Column, Grid, Row, disagreements, grids, sentences
from nsgf.ops.text import duration
from nsgf.ops.timing import timing
from nsgf.registry import DATASETS
from nsgf.report import convention, paired_table, probe_table, tables, target_tables

SHORT = ("w2_squared", "geomloss")  # metrics that stand in the long table alone
TARGETS = {  # main columns of the table on training targets, as they are headed here
    "data": "data",
    "targets by": "targets by",
    "velocity error, mean over the flow": "velocity error",
    "W2 of NSGF": "W2 of NSGF",
    "exact less GeomLoss": "exact less GeomLoss",
}
OF_TARGETS = "Velocity errors are means over the flow; W2 is of the NSGF trained on those targets."
BESIDES = {  # further tables of a study: their form, and what its main part is
    "print": (
        convention,
        "How many times ours the paper's samplers would be, if its number is that metric, and the"
        " typical factor that is left; Kendall's tau between printed and our numbers.",
    ),
    "paired": (
        paired_table,
        "Differences by training seed, over the same starting points and test points.",
    ),
    "probe": (
        probe_table,
        "A minibatch's velocity against that of a population, and a few sweeps' against the exact"
        " one, relative to the speed.",
    ),
}
ORIGIN = ("commit", "numerics", "machine", "versions")  # of provenance
WORDS = {  # verdicts on claims, as a stranger reads them
    "reproduced": "supported here",
    "not_reproduced": "contradicted here",
    "inconclusive": "open",  # not run, or not decided
}


@dataclass(frozen=True)
class StudyTable:
    """A study's table in the paper's arrangement, and the long one behind it; or that on targets.

    Attributes:
        name, title: of the study. notes: that concern it. grids: a metric each.
        long: the table as `nsgf.report.tables.display` has it. labels: of methods.
        brief: main columns of a table that has no grid. about: what they are, in a sentence.
        said: what it says.
    """

    name: str
    title: str
    notes: list[str]
    grids: list[Grid]
    long: pd.DataFrame
    labels: dict[str, str]
    brief: pd.DataFrame | None = None
    about: str = ""
    said: tuple[str, ...] = ()

    @property
    def has_print(self) -> bool:
        """Whether a printed number stands anywhere."""
        return any(grid.has_print for grid in self.grids)

    @property
    def sentences(self) -> list[str]:
        """What the first metric, or the training targets, say of each data set."""
        if self.brief is not None:
            if "verdict" not in self.long:
                return list(self.said)
            said = self.long[self.long["verdict"] != ""]
            about = said[["data", "verdict", "exact less GeomLoss"]].itertuples(index=False)
            return [f"{data}: {verdict} ({change})." for data, verdict, change in about]
        if not self.grids:
            return []
        first, *others = self.grids
        found = sentences(first, self.label, place)
        return found + [s for g in others for s in disagreements(first, g, self.label, place)]

    def label(self, row: Row) -> str:
        """A row's name, with what varies."""
        name = self.labels.get(row.method, row.method)
        return f"{name} ({row.varied})" if row.varied else name


def place(column: Column) -> str:
    """A column in words."""
    dataset, nfe = column
    label = DATASETS[dataset].label
    return label if nfe is None else f"{label}, {nfe} steps"


class Contents:
    """The files of a run, or of what was published of one, as a report reads them.

    Args:
        preset: of the run, or a part of it. root: its folder.

    Raises (as its parts are read):
        NsgfError: a file is damaged.
    """

    def __init__(self, preset: Preset, root: Path):
        self.preset, self.root = preset, root
        self._layout = Layout(str(root))

    @cached_property
    def studies(self) -> list[StudyTable]:
        """Tables that are there."""
        found = []
        for name in (n for n in self.preset.running if Path(self._layout.table(n)).is_file()):
            found.append(self._study(name))
            found += self._besides(name)
        if Path(self._layout.table("targets")).is_file():
            found.append(self._targets())
        return found

    def _study(self, name: str) -> StudyTable:
        study, file = self.preset.studies[name], Path(self._layout.table(name))
        published = published_of(Path(paper_file(study.paper)) if study.paper else None)
        labels = tables.labels_of(study, published)
        with readable(f"table '{file}'"):
            found = pd.read_csv(file)
            found["verdict"] = found["verdict"].fillna("")
            long = tables.display(found, labels)
            arranged = grids(found)
        if not study.paper:
            long = long.drop(columns=["published", "verdict"])
        main = [g for g in arranged if g.metric not in SHORT] or arranged
        return StudyTable(name, *self._head(name), main, long, labels)

    def _besides(self, study: str) -> Iterator[StudyTable]:
        """Further tables of a study that are there."""
        for ending, (form, about) in BESIDES.items():
            name = f"{study}-{ending}"
            file = Path(self._layout.table(name))
            if file.is_file():
                with readable(f"table '{file}'"):
                    found = pd.read_csv(file)
                    long, said = form.display(found), form.said(found)
                brief, head = form.main(long), self._head(name, study)
                yield StudyTable(name, *head, [], long, {}, brief, about, tuple(said))

    def _targets(self) -> StudyTable:
        file = Path(self._layout.table("targets"))
        with readable(f"table '{file}'"):
            long = target_tables.display(pd.read_csv(file))
        brief = long[list(TARGETS)].rename(columns=TARGETS)
        return StudyTable("targets", *self._head("targets"), [], long, {}, brief, OF_TARGETS)

    def _head(self, name: str, study: str | None = None) -> tuple[str, list[str]]:
        """A table's title and the notes of its own; `study` is whose it is, if not its name."""
        file = Path(self._layout.table(name, "md"))
        with readable(f"table '{file}'"):
            lines = file.read_text().splitlines()
        notes = [line[2:] for line in lines if line.startswith("- ")]
        title = lines[0].removeprefix("# ") if lines else name
        said, reduced = self.preset.said_of(study or name)
        own = said != self.preset.title  # stands nowhere else on the page
        title = title if own else title.removesuffix(said).rstrip(" -:") or name
        return title, notes if own else [n for n in notes if n not in reduced]

    @cached_property
    def claims(self) -> list[dict[str, str]]:
        """Claims with their verdicts in words and the evidence."""
        file = Path(self._layout.claims())
        if not file.is_file():
            return []
        with readable(f"claims '{file}'"), file.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
            if any(None in (row["text"], row["verdict"], row["evidence"]) for row in rows):
                raise ValueError("a line is cut off")
            return [row | {"word": WORDS.get(row["verdict"], row["verdict"])} for row in rows]

    @property
    def sources(self) -> list[str]:
        """The papers whose printed numbers are here."""
        papers = dict.fromkeys(s.paper for s in self.preset.running.values() if s.paper)
        files = [Path(paper_file(paper)) for paper in papers]
        return [published_of(file).source for file in files if file.is_file()]

    @property
    def counted(self) -> str:
        """How many claims have each verdict, in words."""
        words = [claim["word"] for claim in self.claims]
        return ", ".join(f"{words.count(word)} {word}" for word in WORDS.values())

    def figures(self) -> Iterator[dict[str, str]]:
        """Figures as data URIs, with the path of the PDF from the page."""
        for name, figure in self.preset.figures.items():
            file = Path(self._layout.figure(name, "png"))
            if not file.is_file() or figure.study not in (None, *self.preset.running):
                continue
            sets = ", ".join(DATASETS[d].label for d in figure.datasets)
            picture = base64.b64encode(file.read_bytes()).decode()
            number = name.removeprefix("figure")
            title = f"Figure {number}: {figure.kind}" if number.isdigit() else name
            yield {
                "title": title,
                "words": sets,
                "source": f"data:image/png;base64,{picture}",
                "pdf": f"figures/{name}.pdf",
            }

    def clouds(self) -> list[dict]:
        """What the player shows; nothing where samples are not there."""
        from nsgf.ops.page.clouds import clouds

        return clouds(self.preset.seed, Outline(self.preset).branches)

    def cost(self) -> list[tuple[str, int, str]]:
        """Seconds by stage: its name, jobs, and their time one after the other."""
        taken: dict[str, list[float]] = {}
        for job in jobs(self.preset):
            if known := timing(self.preset.name, job.name):
                taken.setdefault(job.stage, []).append(known.seconds)
        return [(stage, len(s), duration(sum(s))) for stage, s in taken.items()]

    def facts(self) -> list[tuple[str, str]]:
        """Seed, commit, numerics, machine and versions, by a table's provenance."""
        known = next(
            (p for s in self.studies if (p := sidecar(Path(self._layout.table(s.name)))).is_file()),
            None,
        )
        found = [("preset", self.preset.name), ("seed", str(self.preset.seed))]
        body = read_json(known) if known else {}
        with readable(f"'{known}'"):
            stated = dict(body)
        return found + [(name, _words(stated[name])) for name in ORIGIN if stated.get(name)]


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items() if v)
    return str(value)

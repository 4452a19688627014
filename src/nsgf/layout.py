"""Where a preset's files lie. The only home of the results layout.

results/<preset>/config/...                              settings of each stage, as JSON
results/<preset>/pools/<dataset>/<flow>/seed<s>/shard<k>/
results/<preset>/models/<dataset>/<network>/seed<s>.safetensors
results/<preset>/samples/<dataset>/<method>/seed<s>-<k>.npy
results/<preset>/samples/<dataset>/<method>/seed<s>-<k>.{part<j>,features<j>}.*   of a shard, for a
                                                         while; only their provenance stays
results/<preset>/samples/<dataset>/reference/            test sets' features and floors
results/<preset>/metrics/<dataset>/<method>/seed<s>-<k>.json
results/<preset>/metrics/<dataset>/targets.json  errors of the training targets
results/<preset>/timings/<job>.tsv               and what rests on times: claims, timeline
results/<preset>/{tables,figures}/

Templates hold {seed}, {shard} and {sample}; `format(**unit)` gives the path of a unit.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from nsgf.artifact import sidecar
from nsgf.config.preset import Figure, Preset, Study
from nsgf.registry import DATASETS, METHODS

DATA = "data/processed"
INCEPTION = f"{DATA}/inception.json"
PUBLISHED = "config/published.yaml"
PUBLICATIONS = "results/published"  # committed copies of small results
# What follows a set of samples' name where several jobs share it.
PART, FEATURES = ".part{shard}", ".features{shard}.npz"
Unit = dict[str, str | int]


def manifest_path(preset: str) -> str:
    """What is committed of a published run, with digests of all its artefacts."""
    return f"{PUBLICATIONS}/{preset}/MANIFEST.json"


@dataclass(frozen=True)
class Cell:
    """A method at an NFE; None where the method finds out what it needs."""

    method: str
    nfe: int | None

    @property
    def name(self) -> str:
        """As it stands in paths."""
        return self.method if self.nfe is None else f"{self.method}-{self.nfe}"


def cells(study: Study) -> list[Cell]:
    """The cells of a study; a flow method has none at an NFE for which there is no flow."""
    found = []
    for name in study.methods:
        method = METHODS[name]
        counts = (None,) if method.two_phase or method.nfe_of else study.nfe
        found += [
            Cell(name, n)
            for n in counts
            if not method.needs_pool or study.flow_name(n, method.backend) is not None
        ]
    return found


def sample_units(study: Study, dataset: str) -> list[Unit]:
    """Every set of samples of a cell."""
    return [
        {"dataset": dataset, "seed": seed, "sample": sample}
        for seed in range(study.train_seeds)
        for sample in range(study.sample_seeds)
    ]


def with_sidecars(files: Iterable[str]) -> tuple[str, ...]:
    """Artefacts and their provenance."""
    return tuple(path for file in files for path in (file, str(sidecar(file))))


@dataclass(frozen=True)
class Layout:
    """Paths of one preset."""

    root: str

    def config(self, name: str) -> str:
        """Settings of a stage."""
        return f"{self.root}/config/{name}.json"

    def pool(self, dataset: str, flow: str, shard: int | str = "{shard}") -> str:
        """Template of a shard's folder."""
        return f"{self.root}/pools/{dataset}/{flow}/seed{{seed}}/shard{shard}"

    def model(self, dataset: str, network: str, flow: str | None = None) -> str:
        """Template of a network."""
        name = f"{network}-{flow}" if flow else network
        return f"{self.root}/models/{dataset}/{name}/seed{{seed}}.safetensors"

    def classifier(self, dataset: str) -> str:
        """The one classifier of an image set."""
        return self.model(dataset, "classifier").format(seed=0)

    def samples(self, dataset: str, cell: Cell, ending: str) -> str:
        """Template of samples (.npy), paths (.npz) and cost (.json)."""
        return f"{self.root}/samples/{dataset}/{cell.name}/seed{{seed}}-{{sample}}{ending}"

    def reference(self, dataset: str) -> str:
        """Template of what samples are compared with; an image set has one for all seeds."""
        tail = "test" if DATASETS[dataset].is_image else "seed{seed}-{sample}"
        return f"{self.root}/samples/{dataset}/reference/{tail}.json"

    def metrics(self, dataset: str, cell: Cell, ending: str = ".json") -> str:
        """Template of metrics (.json) and, for images, neighbours (.npz)."""
        return f"{self.root}/metrics/{dataset}/{cell.name}/seed{{seed}}-{{sample}}{ending}"

    def targets(self, dataset: str = "{dataset}") -> str:
        """How wrong training targets are."""
        return f"{self.root}/metrics/{dataset}/targets.json"

    def timing(self, job: str) -> str:
        """Benchmark file of a job."""
        return f"{self.root}/timings/{job}.tsv"

    def table(self, study: str, ending: str = "csv") -> str:
        """A study's table; `targets` is the one on training targets."""
        return f"{self.root}/tables/{study}.{ending}"

    def claims(self, ending: str = "csv") -> str:
        """The claims; beside the timings, because two of them are about time."""
        return f"{self.root}/timings/claims.{ending}"

    def figure(self, name: str, ending: str) -> str:
        """A figure."""
        return f"{self.root}/figures/{name}.{ending}"


def target_studies(preset: Preset) -> list[Study]:
    """Studies that ask how wrong training targets are."""
    return [study for study in preset.studies.values() if study.targets]


def target_pair(study: Study) -> tuple[Cell, Cell] | None:
    """NSGF with exact and with GeomLoss targets; None unless both are run on equal budgets."""
    steps = study.trajectories[study.targets.flow].flow.steps
    pair = Cell("nsgf", steps), Cell("nsgf-geomloss", steps)
    if not set(pair) <= set(cells(study)):
        return None
    names = (study.flow_name(steps, METHODS[cell.method].backend) for cell in pair)
    exact, other = (study.trajectories[name] for name in names)
    return pair if exact.equals_but_for_solver(other) else None


def target_inputs(layout: Layout, preset: Preset) -> list[str]:
    """What the table on training targets is made from."""
    found = []
    for study in target_studies(preset):
        for dataset in study.datasets:
            found.append(layout.targets(dataset))
            found += [
                layout.metrics(dataset, cell).format(**unit)
                for cell in target_pair(study) or ()
                for unit in sample_units(study, dataset)
            ]
    return found


def figure_cells(study: Study, figure: Figure) -> list[Cell]:
    """Cells that a figure shows: those at its NFE, or of methods that find out their own."""
    methods = figure.methods or study.methods
    return [c for c in cells(study) if c.nfe == figure.nfe and c.method in methods]


def figure_inputs(layout: Layout, study: Study | None, figure: Figure) -> list[str]:
    """What a figure is drawn from: the first seed's paths, or its neighbours.

    The cost of each lies in the .json beside it. Targets: the errors, and last the table.
    """
    first, kind = {"seed": 0, "sample": 0}, figure.kind
    if kind == "targets":
        return [*map(layout.targets, figure.datasets), layout.table("targets")]
    return [
        (layout.metrics if kind == "neighbours" else layout.samples)(dataset, cell, ".npz").format(
            **first
        )
        for dataset in figure.datasets
        for cell in figure_cells(study, figure)
    ]

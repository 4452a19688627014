"""The branches of a preset's DAG, one for each data set of each study, and where their files lie.

Two cells that share a pool, a network or all their samples, in one study or in two, share the file:
what is the same by its settings has one name. A name that is taken by other settings gets a digest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from nsgf.artifact import sha256_json
from nsgf.config.base import deciding
from nsgf.config.cells import Cell, cells
from nsgf.config.pool import PoolStage
from nsgf.config.preset import Preset
from nsgf.config.study import Study
from nsgf.engine.task import Paths, Task, Unit
from nsgf.layout import DATA, INCEPTION, Layout, folder_of
from nsgf.registry import ARRAYS, DATASETS, METHODS, NETWORKS, STORAGES, STUDIES, Dataset, module_of
from nsgf.studies.kind import Kind


class Names:
    """Names of files by the settings that decide their bytes, within one preset."""

    def __init__(self):
        self._known: dict[tuple[str, str], str] = {}

    def of(self, folder: str, wish: str, settings: object) -> str:
        """A name in `folder` for what `settings` make: `wish`, if nothing else is called so."""
        key = folder, sha256_json(settings)
        if key not in self._known:
            taken = (folder, wish) in {(f, name) for (f, _), name in self._known.items()}
            self._known[key] = f"{wish}~{key[1][:6]}" if taken else wish
        return self._known[key]


@dataclass(frozen=True)
class Placed:
    """A cell on one data set, with templates of its files ({seed}, {sample}, {shard}).

    Attributes:
        cell: method and parameters.
        pool: folder of a shard; "" for methods without a pool on disk.
        models: networks, by name.
        samples: samples, without ending.
        metrics: metrics, without ending.
    """

    cell: Cell
    pool: str
    models: dict[str, str]
    samples: str
    metrics: str


@dataclass(frozen=True)
class Branch:
    """One data set of one study."""

    layout: Layout
    seed: int
    name: str  # of the study
    study: Study
    dataset: str
    names: Names = field(repr=False)

    @property
    def spec(self) -> Dataset:
        return DATASETS[self.dataset]

    @property
    def kind(self) -> Kind:
        """What its study is a kind of."""
        return module_of(STUDIES[self.study.kind]).KIND

    @property
    def seeds(self) -> list[Unit]:
        """Every training of a network."""
        return [{"dataset": self.dataset, "seed": s} for s in range(self.study.train_seeds)]

    @property
    def sets(self) -> list[Unit]:
        """Every set of samples of a cell."""
        every = range(self.study.sample_seeds)
        return [unit | {"sample": sample} for unit in self.seeds for sample in every]

    @cached_property
    def cells(self) -> tuple[Placed, ...]:
        """All cells, those whose cost others spend before these."""
        found: dict[str, Placed] = {}
        for cell in sorted(cells(self.study), key=lambda c: METHODS[c.method].nfe_of is not None):
            other = METHODS[cell.method].nfe_of
            found[cell.path] = self._place(cell, self._spent(found, other))
        return tuple(found[cell.path] for cell in cells(self.study))

    @staticmethod
    def _spent(found: dict[str, Placed], other: str | None) -> str:
        """Samples whose cost a cell spends; "" for cells that spend their own."""
        return next((p.samples for p in found.values() if other and p.cell.name == other), "")

    def cell(self, name: str) -> Placed:
        """The first cell of a row."""
        return next(placed for placed in self.cells if placed.cell.name == name)

    @cached_property
    def measuring(self) -> dict[str, str]:
        """Networks that are trained to measure with, by name."""
        trained = {n: self.study.networks[n] for n in self.study.metrics.networks}
        return {n: self._model(n, self._training_key(n, t)) for n, t in trained.items()}

    @cached_property
    def reference(self) -> str:
        """What samples are compared with, without ending."""
        key = [self.study.kind, deciding(self.study.metrics), self._measured_by]
        key += [deciding(self.study.compute), *([self._counts] if self.kind.by_set else [])]
        name = self.names.of(f"samples/{self.dataset}", "reference", key)
        return self.layout.path("samples", self.dataset, name, "test")

    @property
    def problem_files(self) -> tuple[str, ...]:
        """Files that the problem is read from: training images, or what a law declares."""
        return (*self.spec.files, *self.data("train_images", "train_labels"))

    @property
    def instruments(self) -> dict[str, str | tuple[str, ...]]:
        """What measuring reads beside samples, by name."""
        found = dict(self.measured_with)
        if self.study.metrics.asks_for_inception:
            found["inception"] = INCEPTION
        if files := (*self.spec.files, *self.data(*ARRAYS)):
            found["data"] = files
        return found

    @property
    def measured_with(self) -> dict[str, str]:
        """Files of the networks that measure."""
        return {name: path.format(seed=0) for name, path in self.measuring.items()}

    def data(self, *arrays: str) -> tuple[str, ...]:
        """Files of the image set; none for laws."""
        return tuple(f"{DATA}/{self.spec.target}/{a}.npy" for a in arrays if self.spec.is_image)

    def pool_stage(self, cell: Cell) -> PoolStage:
        """Settings of a cell's pool."""
        compute = self.study.compute
        return PoolStage(seed=self.seed, flow=cell.flow, pool=cell.pool, compute=compute)

    def task(
        self,
        stage: str,
        of: str,
        unit: Unit,
        inputs: Mapping[str, Paths],
        modules: Iterable[str] = (),
        entries: tuple = (),
        **about,
    ) -> Task:
        """A task of this branch, which rests on its data set.

        Args:
            stage: its name; without `build-` it is named so in `resources` and in its job's name.
            of: what it makes, a path or template below the results: jobs are called by its folder.
            unit: what it is of.
            inputs: as of a Task; those without a file are left out.
            modules, entries, about: the rest of a Task, but for the data set's own.
        """
        kind = stage.removeprefix("build-")
        part = folder_of(of).removeprefix(kind)
        return Task(
            stage,
            unit,
            inputs={name: paths for name, paths in inputs.items() if paths},
            modules=(*modules, *self.spec.modules),
            entries=(self.spec, *entries),
            part="-".join([self.dataset, kind, *filter(None, [part])]),
            study=self.name,
            resources=self.study.resources_of(kind),
            threads=self.study.compute.threads,
            # Image stages are the longest chain: begun first, no core waits for them at the end.
            priority=50 if self.spec.is_image else 0,
            **about,
        )

    # ------------------------------------------------------------------------------- names

    def _place(self, cell: Cell, other: str) -> Placed:
        method, within = METHODS[cell.method], f"{self.dataset}"
        pool, pool_key = "", None
        if method.needs_pool:
            stage = self.pool_stage(cell)
            pool_key = [deciding(stage), repr(self.spec)]
            if STORAGES[cell.pool.storage].files:
                wish = cell.called("flow", "flow.", "pool.")
                name = self.names.of(f"pools/{within}", wish, pool_key)
                pool = self.layout.path("pools", within, name, "seed{seed}/shard{shard}")
        models, keys = {}, {}
        for name in method.networks:
            own = pool_key if NETWORKS[name].needs_pool else None
            keys[name] = self._training_key(name, cell.networks[name], own)
            keys[name] += [keys[n] for n in NETWORKS[name].after]
            sections = ("flow.", "pool.") if NETWORKS[name].needs_pool else ()
            wish = cell.called(name, *sections, "training.", f"networks.{name}.")
            models[name] = self._model(wish, keys[name])
        drawn = [cell.method, cell.nfe, deciding(cell.sampling), deciding(cell.flow), keys, other]
        drawn += [deciding(self.study.compute), repr(self.spec)]
        samples = self.names.of(f"samples/{within}", cell.path, drawn)
        metrics = deciding(self.study.metrics)
        measured = [self.study.kind, drawn, metrics, self._counts, self._measured_by]
        metrics = self.names.of(f"metrics/{within}", cell.path, measured)
        return Placed(
            cell,
            pool,
            models,
            self.layout.path("samples", within, samples, "seed{seed}-{sample}"),
            self.layout.path("metrics", within, metrics),
        )

    @property
    def _counts(self) -> list[int]:
        return [self.study.train_seeds, self.study.sample_seeds]

    @property
    def _measured_by(self) -> list:
        return [self._training_key(n, self.study.networks[n]) for n in self.study.metrics.networks]

    def _training_key(self, name: str, training, pool: object = None) -> list:
        compute = deciding(self.study.compute)
        return [name, deciding(training), repr(NETWORKS[name]), repr(self.spec), compute, pool]

    def _model(self, wish: str, key: object) -> str:
        called = self.names.of(f"models/{self.dataset}", wish, key)
        return self.layout.path("models", self.dataset, called, "seed{seed}.safetensors")


def branches(preset: Preset) -> list[Branch]:
    """All branches of a preset."""
    layout, names = Layout(f"results/{preset.name}"), Names()
    found = [
        Branch(layout, preset.seed, name, study, dataset, names)
        for name, study in preset.studies.items()
        for dataset in study.datasets
    ]
    for branch in found:  # names are given in the order of the studies, whoever asks first
        branch.measuring  # noqa: B018
        branch.cells  # noqa: B018
        branch.reference  # noqa: B018
    return found


def split(unit: Unit, shards: int) -> list[Unit]:
    """The shards of a unit."""
    return [unit | {"shard": k} for k in range(shards)]


def filled(template: str, units: Iterable[Unit] | Sequence[Unit]) -> tuple[str, ...]:
    """Paths of all units, each once, in a stable order."""
    return tuple(dict.fromkeys(template.format(**unit) for unit in units))

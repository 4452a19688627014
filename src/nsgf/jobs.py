"""The jobs of a preset, from data to report: each becomes one Snakemake rule.

A job is one process of one stage over some units (data set, seed, ...). How many units share a job
is `resources.units_per_job`; the files, and their bytes, do not depend on it.
"""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nsgf.artifact import json_text, read_json, write_text
from nsgf.codehash import stage_code
from nsgf.config.base import Model
from nsgf.config.compute import Resources
from nsgf.config.metrics import EvaluateStage
from nsgf.config.pool import Pool, PoolStage
from nsgf.config.preset import Preset, Study
from nsgf.config.sample import SampleStage
from nsgf.config.targets import SOLVERS, TargetsStage
from nsgf.config.train import TrainStage
from nsgf.data.arrays import ARRAYS as IMAGE_ARRAYS
from nsgf.layout import (
    DATA,
    INCEPTION,
    PUBLISHED,
    Cell,
    Layout,
    Unit,
    cells,
    figure_inputs,
    sample_units,
    target_inputs,
    target_studies,
    with_sidecars,
)
from nsgf.metrics.weights import inception_file
from nsgf.registry import (
    BACKENDS,
    DATASETS,
    METHODS,
    NETS,
    NETWORKS,
    SHARD_CURVE,
    SHARD_META,
    STORAGES,
    lookup,
)

LIGHT = Resources(mem_mb=1500, runtime_min=30)  # tables, figures, downloads
REPORTED = ("table", "targets-table", "figure", "claims")  # stages that a complete run ends with


@dataclass(frozen=True)
class Job:
    """One process: its stage, settings and arguments, and the files that it reads and writes."""

    stage: str
    name: str
    study: str  # empty where all studies share it
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    arguments: str
    code: str
    resources: Resources = LIGHT
    threads: int = 1
    priority: int = 0
    config: tuple[str, Model] | None = None  # settings file that this job reads
    labels: dict[str, str] = field(default_factory=dict)  # in the HTML report
    caption: str = ""  # its page of workflow/report

    @property
    def shown(self) -> list[str]:
        """Outputs that the HTML report shows: tables as pages, figures as pictures and prints."""
        shown = (".html", ".png", ".pdf")
        return [p for p in self.outputs if self.stage in REPORTED and p.endswith(shown)]

    @property
    def others(self) -> list[str]:
        """Outputs that the HTML report leaves out."""
        return [p for p in self.outputs if p not in self.shown]


def jobs(preset: Preset) -> list[Job]:
    """All jobs of a preset."""
    layout = Layout(f"results/{preset.name}")
    made = [*_fetches(preset)]
    for name, study in preset.studies.items():
        for dataset in study.datasets:
            maker = _DatasetJobs(layout, preset.seed, name, study, dataset)
            made += [*maker.pools(), *maker.trainings(), *maker.references()]
            made += maker.target_errors()
            for cell in cells(study):
                made += [*maker.samplings(cell), *maker.evaluations(cell)]
        made.append(_table(layout, preset, name))
    if target_studies(preset):
        made.append(_targets_table(layout, preset))
    made += [_figure(layout, preset, name) for name in preset.figures]
    return [*made, _claims(layout, preset)]


def targets(preset: Preset, only: str | None = None, complete: bool = False) -> list[str]:
    """What a run ends with; `only` names one study, `complete` asks for every artefact.

    Raises:
        NsgfError: the preset has no study of that name.
    """
    if only:
        lookup(preset.studies, only, f"study of preset '{preset.name}'")
    last = [j for j in jobs(preset) if complete or j.stage in REPORTED]
    return [p for j in last if only is None or j.study == only for p in j.outputs]


def write_configs(preset: Preset) -> None:
    """Write the settings of every stage; a file whose content is the same is left alone.

    An answer about the Inception weights that no longer holds is removed, so that it is asked
    again: put the weights in place and FID appears.
    """
    answer = Path(INCEPTION)
    if answer.exists() and read_json(answer)["available"] != (inception_file() is not None):
        answer.unlink()
    for path, model in {j.config[0]: j.config[1] for j in jobs(preset) if j.config}.items():
        settings = model.model_dump(mode="json")
        text = json_text(settings)
        if not Path(path).exists() or Path(path).read_text() != text:
            write_text(Path(path), text)


def networks_of(study: Study) -> list[tuple[str, str | None]]:
    """Networks that the cells and feature spaces of a study need, each with its flow if it has one.

    A network that two methods share is trained once.
    """
    found: dict[tuple[str, str | None], None] = {}
    for cell in cells(study):
        method = METHODS[cell.method]
        for network in method.networks:
            pooled = NETWORKS[network].needs_pool
            flow = study.flow_name(cell.nfe, method.backend) if pooled else None
            found[network, flow] = None
    if "classifier" in study.metrics.features:
        found["classifier", None] = None
    return list(found)


def _fetches(preset: Preset) -> Iterator[Job]:
    names = {DATASETS[d].target for s in preset.studies.values() for d in s.datasets}
    images = {spec.target for spec in DATASETS.values() if spec.is_image}
    for name in sorted(names & images):
        folder = f"{DATA}/{name}"
        yield Job(
            "fetch",
            f"fetch-{name}",
            "",
            inputs=("config/datasets.yaml",),
            outputs=with_sidecars(f"{folder}/{array}.npy" for array in IMAGE_ARRAYS),
            arguments=f"--dataset {name} --registry config/datasets.yaml --out {folder}",
            code=stage_code("fetch"),
            priority=100,
        )
    if any("inception" in s.metrics.features for s in preset.studies.values()):
        yield Job(
            "fetch-inception",
            "fetch-inception",
            "",
            inputs=(),
            outputs=with_sidecars([INCEPTION]),
            arguments=f"--out {INCEPTION}",
            code=stage_code("fetch-inception"),
            priority=100,
        )


@dataclass(frozen=True)
class _DatasetJobs:
    """Jobs of one data set of one study."""

    layout: Layout
    seed: int
    name: str
    study: Study
    dataset: str

    @property
    def _image(self) -> bool:
        return DATASETS[self.dataset].is_image

    def pools(self) -> Iterator[Job]:
        """Trajectory pools on disk of every flow that a cell uses."""
        for flow in [flow for _, flow in networks_of(self.study) if flow]:
            settings = self._pool_stage(flow)
            pool, storage = settings.pool, STORAGES[settings.pool.storage]
            if not storage.files:
                continue
            units = [u | {"shard": k} for u in self._seeds() for k in range(pool.shards)]
            template, files = self.layout.pool(self.dataset, flow), _shard_files(pool)
            used = (BACKENDS[settings.flow.backend], storage.module)
            for part, chunk in self._chunks("pool", units):
                yield self._job(
                    "build-pool",
                    "pool",
                    f"{flow}-{part}",
                    chunk,
                    config=(f"pool-{flow}", settings),
                    inputs=self._data("train_images", "train_labels"),
                    outputs=[f"{template.format(**u)}/{f}" for u in chunk for f in files],
                    options=[("out", template)],
                    code=stage_code("build-pool", self.dataset, used=used),
                )

    def trainings(self) -> Iterator[Job]:
        """Every network that a cell or a feature space needs."""
        for network, flow in networks_of(self.study):
            source = self._pool_stage(flow) if flow else None
            streams = source is not None and not STORAGES[source.pool.storage].files
            shards = range(source.pool.shards) if source and not streams else ()
            pools = [self.layout.pool(self.dataset, flow, k) for k in shards]
            template = self.layout.model(self.dataset, network, flow)
            settings = TrainStage(
                seed=self.seed,
                network=network,
                training=self.study.networks[network],
                compute=self.study.compute,
                streaming=source if streams else None,
            )
            used = [NETS[settings.training.net.kind]]
            if source:
                used.append(STORAGES[source.pool.storage].module)
            if streams:
                used.append(BACKENDS[source.flow.backend])
            name = f"{network}-{flow}" if flow else network
            # The classifier is a measuring instrument: one serves all seeds.
            seeds = self._seeds()[:1] if network == "classifier" else self._seeds()
            for part, chunk in self._chunks("train", seeds):
                read = [f"{p}/{f}" for p in pools for f in _shard_files(source.pool)[:-1]]
                networks = [template.format(**u) for u in chunk]
                curves = [n.replace(".safetensors", ".csv") for n in networks]
                yield self._job(
                    "train",
                    "train",
                    f"{name}-{part}",
                    chunk,
                    config=(f"train-{name}", settings),
                    inputs=[*self._data("train_images", "train_labels"), *_filled(read, chunk)],
                    outputs=[*networks, *curves],
                    options=[*(("pool", p) for p in pools), ("out", template)],
                    code=stage_code("train", self.dataset, network=network, used=used),
                )

    def samplings(self, cell: Cell) -> Iterator[Job]:
        """Sets of samples of one cell."""
        method, paths = METHODS[cell.method], self.layout
        flow = self.study.flow_name(cell.nfe, method.backend) if method.needs_pool else None
        models = {
            n: paths.model(self.dataset, n, flow if NETWORKS[n].needs_pool else None)
            for n in method.networks
        }
        settings = SampleStage(
            seed=self.seed,
            method=cell.method,
            nfe=cell.nfe,
            flow=self.study.trajectories[flow].flow if flow else None,
            sampling=self.study.sampling,
            compute=self.study.compute,
        )
        used = tuple({NETS[self.study.networks[n].net.kind] for n in method.networks})
        needed, options = [*models.values()], [("network", f"{n}={p}") for n, p in models.items()]
        if method.nfe_of:
            other = paths.samples(self.dataset, Cell(method.nfe_of, None), ".json")
            needed, options = [*needed, other], [*options, ("nfe-from", other)]
        for part, chunk in self._chunks("sample", sample_units(self.study, self.dataset)):
            made = [paths.samples(self.dataset, cell, e) for e in (".npy", ".npz", ".json")]
            yield self._job(
                "sample",
                "sample",
                f"{cell.name}-{part}",
                chunk,
                config=(f"sample-{cell.name}", settings),
                inputs=_filled(needed, chunk) + self._data("train_images", "train_labels"),
                outputs=_filled(made, chunk),
                options=[*options, ("out", made[0])],
                code=stage_code("sample", self.dataset, method=cell.method, used=used),
            )

    def references(self) -> Iterator[Job]:
        """What samples are compared with."""
        units = sample_units(self.study, self.dataset)
        if self._image:
            units = [{"dataset": self.dataset}]
        template = self.layout.reference(self.dataset)
        made = [template, template.replace(".json", ".npz")] if self._image else [template]
        for part, chunk in self._chunks("reference", units):
            yield self._job(
                "reference",
                "reference",
                part,
                chunk,
                config=("evaluate", self._evaluation()),
                inputs=[*self._classifier(), *self._inception(), *self._data(*IMAGE_ARRAYS)],
                outputs=_filled(made, chunk),
                options=[*(("classifier", c) for c in self._classifier()), ("out", template)],
                code=stage_code("reference", self.dataset, used=self._measuring_code()),
            )

    def evaluations(self, cell: Cell) -> Iterator[Job]:
        """Metrics of one cell."""
        paths, dataset = self.layout, self.dataset
        samples, cost = (paths.samples(dataset, cell, e) for e in (".npy", ".json"))
        reference, template = paths.reference(dataset), paths.metrics(dataset, cell)
        made = [template, paths.metrics(dataset, cell, ".npz")] if self._image else [template]
        against = [reference, reference.replace(".json", ".npz")] if self._image else [reference]
        for part, chunk in self._chunks("evaluate", sample_units(self.study, dataset)):
            yield self._job(
                "evaluate",
                "evaluate",
                f"{cell.name}-{part}",
                chunk,
                config=("evaluate", self._evaluation()),
                inputs=[
                    *_filled([samples, cost, *against], chunk),
                    *self._classifier(),
                    *self._inception(),
                    *self._data(*IMAGE_ARRAYS),
                ],
                outputs=_filled(made, chunk),
                options=[
                    *(("classifier", c) for c in self._classifier()),
                    ("samples", samples),
                    ("reference", reference),
                    ("out", template),
                ],
                code=stage_code("evaluate", dataset, used=self._measuring_code()),
            )

    def _pool_stage(self, flow: str) -> PoolStage:
        chosen = self.study.trajectories[flow]
        return PoolStage(
            seed=self.seed, flow=chosen.flow, pool=chosen.pool, compute=self.study.compute
        )

    def target_errors(self) -> Iterator[Job]:
        """How wrong training targets are, where the study asks."""
        asked, template = self.study.targets, self.layout.targets()
        if asked:
            measured = self.study.trajectories[asked.flow]
            settings = TargetsStage(
                seed=self.seed,
                flow=measured.flow,
                batch_size=measured.pool.batch_size,
                targets=asked,
                compute=self.study.compute,
            )
            unit = {"dataset": self.dataset}
            yield self._job(
                "targets",
                "targets",
                "0",
                [unit],
                config=("targets", settings),
                inputs=self._data("train_images", "train_labels"),
                outputs=[template.format(**unit)],
                options=[("out", template)],
                code=stage_code("targets", self.dataset, used=[BACKENDS[s] for s in SOLVERS]),
            )

    def _seeds(self) -> list[Unit]:
        return [{"dataset": self.dataset, "seed": s} for s in range(self.study.train_seeds)]

    def _chunks(self, stage: str, units: list[Unit]) -> Iterator[tuple[str, list[Unit]]]:
        size = self.study.resources_of(stage).units_per_job
        for i in range(0, len(units), size):
            yield str(i // size), units[i : i + size]

    def _data(self, *arrays: str) -> list[str]:
        target = DATASETS[self.dataset].target
        return [f"{DATA}/{target}/{a}.npy" for a in arrays] if self._image else []

    def _inception(self) -> list[str]:
        return [INCEPTION] if "inception" in self.study.metrics.features else []

    def _classifier(self) -> list[str]:
        used = self._image and "classifier" in self.study.metrics.features
        return [self.layout.classifier(self.dataset)] if used else []

    def _measuring_code(self) -> tuple[str, ...]:
        return (NETS["classifier"],) if self._classifier() else ()

    def _evaluation(self) -> EvaluateStage:
        return EvaluateStage(seed=self.seed, metrics=self.study.metrics, compute=self.study.compute)

    def _job(self, stage, kind, part, units, *, config, inputs, outputs, options, code) -> Job:
        path = self.layout.config(f"{self.name}/{config[0]}")
        words = ["--config", path]
        for unit in units:
            words += ["--unit", ",".join(f"{k}={v}" for k, v in unit.items())]
        words += ["--data", DATA] if self._image else []
        for option, value in options:
            words += [f"--{option}", value]
        return Job(
            stage,
            f"{self.dataset}-{kind}-{part}",
            self.name,
            inputs=(path, *inputs),
            outputs=with_sidecars(outputs),
            arguments=shlex.join(words),
            code=code,
            resources=self.study.resources_of(kind),
            threads=self.study.compute.threads,
            # Image stages are the longest chain: begun first, no core waits for them at the end.
            priority=50 if self._image else 0,
            config=(path, config[1]),
        )


def _shard_files(pool: Pool) -> list[str]:
    """Files of a shard; the last one is a record for people, which training does not read."""
    return [*STORAGES[pool.storage].files, SHARD_META, SHARD_CURVE]


def _filled(templates: Iterable[str], units: Iterable[Unit]) -> list[str]:
    """Paths of all units, each once, in a stable order."""
    return list(dict.fromkeys(t.format(**u) for u in units for t in templates))


def _table(layout: Layout, preset: Preset, name: str) -> Job:
    study, whole = preset.studies[name], layout.config("preset")
    metrics = [
        layout.metrics(dataset, cell).format(**unit)
        for dataset in study.datasets
        for cell in cells(study)
        for unit in sample_units(study, dataset)
    ]
    references = _filled(
        map(layout.reference, study.datasets),
        [u for d in study.datasets for u in sample_units(study, d)],
    )
    return Job(
        "table",
        f"table-{name}",
        name,
        inputs=(whole, PUBLISHED, *metrics, *references),
        outputs=with_sidecars(layout.table(name, e) for e in ("csv", "md", "html")),
        arguments=f"--preset {whole} --study {name}",
        code=stage_code("table"),
        config=(whole, preset),
        labels={"table": name.removeprefix("table")},
        caption="table",
    )


def _targets_table(layout: Layout, preset: Preset) -> Job:
    whole = layout.config("preset")
    return Job(
        "targets-table",
        "targets-table",
        "",
        inputs=(whole, *target_inputs(layout, preset)),
        outputs=with_sidecars(layout.table("targets", e) for e in ("csv", "md", "html")),
        arguments=f"--preset {whole}",
        code=stage_code("targets-table"),
        labels={"table": "targets"},
        caption="targets",
    )


def _figure(layout: Layout, preset: Preset, name: str) -> Job:
    figure, whole = preset.figures[name], layout.config("preset")
    drawn = figure_inputs(layout, preset.studies.get(figure.study), figure)
    return Job(
        "figure",
        f"figure-{name}",
        figure.study or "",
        inputs=(whole, *dict.fromkeys(f for p in drawn for f in (p, p.replace(".npz", ".json")))),
        outputs=with_sidecars(layout.figure(name, e) for e in ("pdf", "png")),
        arguments=f"--preset {whole} --figure {name}",
        code=stage_code("figure", figure=figure.kind),
        labels={"figure": name.removeprefix("figure"), "shows": ", ".join(figure.datasets)},
        caption="targets" if figure.kind == "targets" else "figure",
    )


def image_study(preset: Preset) -> Study | None:
    """The study whose costs claims 5 and 6 are about: the first one with NSGF++."""
    return next((s for s in preset.studies.values() if "nsgf++" in s.methods), None)


def timed_jobs(preset: Preset) -> list[tuple[str, str, int]]:
    """Jobs whose time claims 5 and 6 add up: (pool or network, job, training seeds)."""
    study = image_study(preset)
    if study is None:
        return []
    layout = Layout(f"results/{preset.name}")
    name = next(n for n, s in preset.studies.items() if s is study)
    alone = study.model_copy(update={"methods": ("nsgf++",)})  # its own pools and networks
    maker = _DatasetJobs(layout, preset.seed, name, alone, study.datasets[0])
    pools = [("pool", job.name, study.train_seeds) for job in maker.pools()]
    return pools + [
        (job.config[1].network, job.name, study.train_seeds) for job in maker.trainings()
    ]


def claim_inputs(layout: Layout, preset: Preset) -> list[str]:
    """Tables, timings and paths that the claims are judged on."""
    planar, study = preset.studies.get("table1"), image_study(preset)
    found = [PUBLISHED, *(layout.table(name) for name in preset.studies)]
    found += [layout.timing(name) for _, name, _ in timed_jobs(preset)]
    if planar:
        found += [
            layout.samples(d, c, ".npz").format(**u)
            for d in planar.datasets
            for c in cells(planar)
            if c.method in ("nsgf", "fm") and c.nfe == min(planar.nfe)
            for u in sample_units(planar, d)
            if u["sample"] == 0
        ]
    if study:
        template = layout.samples(study.datasets[0], Cell("nsgf++", None), ".json")
        found += [template.format(**u) for u in sample_units(study, study.datasets[0])]
    return found


def _claims(layout: Layout, preset: Preset) -> Job:
    whole = layout.config("preset")
    return Job(
        "claims",
        "claims",
        "",
        inputs=(whole, *claim_inputs(layout, preset)),
        outputs=with_sidecars(layout.claims(e) for e in ("csv", "md", "html")),
        arguments=f"--preset {whole}",
        code=stage_code("claims"),
        labels={"table": "claims"},
        caption="claims",
    )

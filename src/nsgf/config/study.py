"""A study: data sets, methods and what varies, with everything that they need."""

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, WithJsonSchema, model_validator

from nsgf.config.base import NO_TWICE, Idle, Model, nearest, part
from nsgf.config.cells import Case, Cell, Value, cells, known
from nsgf.config.compute import Compute, Resources
from nsgf.config.pool import Flow, Pool, Probe, Targets, Trajectories
from nsgf.config.sample import Sampling, Shards
from nsgf.config.train import Training, options_of
from nsgf.registry import DATASETS, METHODS, NETWORKS, STUDIES, kind_of

Measuring = Literal["reference", "features", "evaluate", "targets", "probe"]
Stage = Literal["pool", "train", "sample", "gather", Measuring]
# Names that become parts of paths and of command lines.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$")]
Measures = Annotated[
    SerializeAsAny[Model], WithJsonSchema({"type": "object", "title": "Metrics of the kind"})
]


class Study(Model):
    """Cells, which are methods and their parameters, on data sets."""

    kind: Name = "planar"
    """What kind of points, metrics and figures it has: a name in nsgf.registry."""
    paper: Name | None = None
    """Whose printed numbers stand beside ours: config/published/<paper>.yaml, the table called like
    this study."""
    title: str | None = None
    """Printed over its table and figures; the preset's where null."""
    reduced: tuple[str, ...] | None = None
    """What of it differs from the paper's settings, one sentence each; what the preset says where
    null."""
    datasets: Annotated[tuple[str, ...], NO_TWICE] = Field(min_length=1)
    """Data sets, by their names in nsgf.registry."""
    methods: dict[Name, Case | tuple[Case, ...]] = Field(min_length=1)
    """Rows of the table: a name (a method's in nsgf.registry, or `method:` says that) to settings
    in which it differs, such as flow.blur: 0.1; a list of values makes a cell of each, a list of
    such mappings a cell or more of each mapping."""
    sweep: dict[str, tuple[Value, ...]] = Field(default_factory=dict)
    """Settings that vary for every method that has them: key to values, all combinations."""
    train_seeds: int = Field(ge=1)
    """Independent trainings of every network, count."""
    sample_seeds: int = Field(default=1, ge=1)
    """Independent sets of samples of every training, count."""
    nfe: Annotated[tuple[Annotated[int, Field(ge=1)], ...], NO_TWICE] = ()
    """Network evaluations a sample of methods that take a fixed number, counts."""
    flow: Flow | None = None
    """The Sinkhorn flow of methods that learn from a trajectory pool."""
    pool: Pool | None = None
    """Their pool."""
    networks: dict[str, Training]
    """How each network is trained, by its name in nsgf.registry."""
    sampling: Sampling = Sampling()
    metrics: Measures
    """What is measured; which settings there are is the kind's matter."""
    compare: tuple[tuple[str, str], ...] = ()
    """Pairs of cells whose metrics are compared seed by seed; a cell is its row and what varies of
    it, as in paths: nsgf,flow.steps=10."""
    targets: Targets | None = None
    """How wrong training targets are; null where this is not asked."""
    probe: Probe | None = None
    """How far velocities of minibatches and of few sweeps are off; null where this is not asked."""
    compute: Compute = Compute()
    resources: Annotated[dict[Stage, Resources], Idle()] = Field(default_factory=dict)
    """What the jobs of a stage ask of the scheduler; the defaults of Resources where absent."""
    shards: Annotated[Shards, Idle()] = Shards()
    """How many jobs share one set of samples."""

    def resources_of(self, stage: str) -> Resources:
        """Resources of `stage`."""
        return self.resources.get(stage, Resources())

    @model_validator(mode="before")
    @classmethod
    def _metrics_of_the_kind(cls, values):
        """Read `metrics` as the kind's settings."""
        if isinstance(values, dict) and isinstance(values.get("metrics"), dict):
            kind = values.get("kind", "planar")
            known(STUDIES, kind, "kind of study")
            return values | {"metrics": part(values["metrics"], kind_of(kind).metrics, "metrics")}
        return values

    @model_validator(mode="before")
    @classmethod
    def _options_of_the_learner(cls, values):
        """Fill in what a network's learner has of its own, so that rows can vary it."""
        networks = values.get("networks") if isinstance(values, dict) else None
        if not isinstance(networks, dict):
            return values
        whole = dict(networks)
        for name, training in networks.items():
            if isinstance(training, dict) and name in NETWORKS:
                options = options_of(name, training.get("options") or {})
                whole[name] = training | ({"options": options} if options else {})
        return values | {"networks": whole}

    @model_validator(mode="after")
    def _is_possible(self):
        shapes = {known(DATASETS, name, "data set").shape for name in self.datasets}
        for name in self.networks:
            known(NETWORKS, name, "network")
        every = cells(self)
        for cell in every:
            self._check_cost(cell, sum(c.name == METHODS[cell.method].nfe_of for c in every))
            if METHODS[cell.method].needs_pool:
                self._check_pool(cell)
        trained = [self.networks, *(cell.networks for cell in every)]
        for name, training in (item for networks in trained for item in networks.items()):
            options_of(name, training.options)
            for shape in shapes:
                _check_net(name, training.net, shape)
        for cell in every:
            _check_trainings(cell)
        paths = [cell.path for cell in every]
        for name in (n for pair in self.compare for n in pair):
            if name not in paths:
                raise ValueError(f"compare: no cell '{name}'{nearest(name, paths)}")
        if self.targets and (self.flow is None or self.pool is None):
            raise ValueError("targets are measured along this study's flow: give flow and pool")
        if self.probe:
            self._check_probe()
        kind_of(self.kind).check(self)
        return self

    def _check_probe(self):
        if self.flow is None or self.pool is None:
            raise ValueError("probe looks along this study's flow: give flow and pool")
        if images := [d for d in self.datasets if DATASETS[d].is_image]:
            raise ValueError(f"probe is for points, not for the image set '{images[0]}'")
        if late := [k for k in self.probe.steps if k >= self.flow.steps]:
            raise ValueError(f"probe.steps: {late[0]}, but the flow has {self.flow.steps} steps")

    def _check_cost(self, cell: Cell, spenders: int):
        """Whether a cell can spend its NFE; `spenders` are the cells whose NFE it takes, count."""
        method, sampling = METHODS[cell.method], cell.sampling
        if method.nfe_of and not spenders:
            raise ValueError(f"method '{cell.name}' takes its NFE from '{method.nfe_of}': list it")
        if spenders > 1:
            raise ValueError(
                f"method '{cell.name}' takes its NFE from '{method.nfe_of}', which has {spenders}"
                f" cells: leave '{cell.name}' out, or vary nothing"
            )
        if self.shards.sample > (most := -(-sampling.n_samples // sampling.batch_size)):
            raise ValueError(
                f"shards.sample: {self.shards.sample} jobs, but {most} batches of"
                f" {sampling.batch_size}"
            )
        if sampling.solver == "rk4" and method.takes_nfe and cell.nfe % 4:
            raise ValueError(
                "sampling.solver rk4 takes 4 evaluations a step: nfe in multiples of 4"
            )
        if sampling.solver != "euler" and method.nfe_of:
            raise ValueError(f"'{method.label}' can spend any NFE with sampling.solver euler alone")

    def _check_pool(self, cell: Cell):
        flow, pool = cell.flow, Trajectories(flow=cell.flow, pool=cell.pool).pool
        if pool.shards > pool.batches:
            raise ValueError(f"'{cell.path}': {pool.shards} shards, but {pool.batches} batches")
        if pool.storage == "coefficients" and any(not DATASETS[d].is_image for d in self.datasets):
            raise ValueError(
                f"'{cell.path}': pool.storage coefficients is for image sets; laws are sampled"
                " afresh, so their points are stored"
            )
        geomloss = self.targets and flow.backend == "geomloss"
        if geomloss and flow.scaling not in self.targets.scalings:
            raise ValueError(f"targets.scalings lacks {flow.scaling:g} of '{cell.path}'")


def _check_trainings(cell: Cell):
    """Whether networks that rest on each other, or that learn a sequence, can do so."""
    for name, training in cell.networks.items():
        entry = NETWORKS[name]
        for before in entry.after if entry.goes_on else ():
            if training.net != cell.networks[before].net:
                raise ValueError(
                    f"networks.{name}.net: it goes on from the weights of networks.{before}:"
                    " give both the same net"
                )
        if entry.ends and cell.flow.steps != 1:
            raise ValueError(
                f"'{cell.path}' learns from both ends of one step: give flow.steps 1,"
                f" not {cell.flow.steps}"
            )
        if entry.stepwise and training.iterations < training.options["steps"]:
            raise ValueError(
                f"networks.{name}.iterations: {training.iterations} for"
                f" {training.options['steps']} moves; each needs one or more"
            )


def _check_net(name: str, net: Model, shape: tuple[int, ...]) -> None:
    """Whether a network of this kind can be this one, for points of this shape."""
    wanted, role = NETWORKS[name].role, net.ROLE
    if role != wanted:
        raise ValueError(f"networks.{name}: kind '{net.kind}' is a {role}, not a {wanted}")
    try:
        net.check(shape)
    except ValueError as error:
        raise ValueError(f"networks.{name}: {error}") from error

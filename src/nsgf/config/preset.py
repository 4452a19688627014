"""A preset: the whole study at one scale. `quick`, `cpu` and `paper` are the same DAG."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nsgf.config.base import Model
from nsgf.config.compute import Compute, Resources
from nsgf.config.metrics import FEATURE_BATCH, Judging, Metrics
from nsgf.config.pool import Trajectories
from nsgf.config.sample import Sampling
from nsgf.config.shards import Shards
from nsgf.config.targets import Targets
from nsgf.config.train import Training, UNetNet
from nsgf.errors import NsgfError
from nsgf.registry import DATASETS, METHODS, NETWORKS, lookup

Stage = Literal["pool", "train", "sample", "gather", "reference", "features", "evaluate", "targets"]
StudyName = Literal["table1", "table2", "table3"]
FigureKind = Literal["paths", "panels", "phases", "trajectories", "neighbours", "targets"]


# Names that become parts of paths and of command lines.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
IMAGE_FIGURES = ("phases", "trajectories", "neighbours")
NET_OF = {"phase": "phase_cnn", "classifier": "classifier"}  # others are velocity fields
FIELDS = ("mlp", "unet")


class Study(Model):
    """The cells of one table and everything that they need."""

    datasets: tuple[str, ...] = Field(min_length=1)
    """Data sets, by their names in nsgf.registry."""
    methods: tuple[str, ...] = Field(min_length=1)
    """Methods, by their names in nsgf.registry."""
    train_seeds: int = Field(ge=1)
    """Independent trainings of every network, count."""
    sample_seeds: int = Field(default=1, ge=1)
    """Independent sets of samples of every training, count."""
    nfe: tuple[int, ...] = ()
    """Network evaluations a sample of methods that take a fixed number, counts."""
    trajectories: dict[Name, Trajectories]
    """Flows with their pools, by a name of your choice."""
    networks: dict[str, Training]
    """How each network is trained, by its name in nsgf.registry."""
    sampling: Sampling
    metrics: Metrics
    targets: Targets | None = None
    """How wrong training targets are; null where this is not asked."""
    compute: Compute = Compute()
    resources: dict[Stage, Resources] = Field(default_factory=dict)
    """What the jobs of a stage ask of the scheduler; the defaults of Resources where absent."""
    shards: Shards = Shards()
    """How many jobs share one set of samples."""

    def resources_of(self, stage: str) -> Resources:
        """Resources of `stage`."""
        return self.resources.get(stage, Resources())

    def flow_name(self, nfe: int | None, backend: str) -> str | None:
        """The flow of `backend` with `nfe` steps, or with any where that is None; None: no such."""
        flows = {n: t.flow for n, t in self.trajectories.items() if t.flow.backend == backend}
        return next((n for n, flow in flows.items() if nfe in (None, flow.steps)), None)

    @model_validator(mode="after")
    def _is_possible(self):
        try:
            shapes = {lookup(DATASETS, name, "data set").shape for name in self.datasets}
            methods = [lookup(METHODS, name, "method") for name in self.methods]
            for name in self.networks:
                lookup(NETWORKS, name, "network")
        except NsgfError as error:
            raise ValueError(f"{error.what}; {error.mend}") from error
        for name, method in zip(self.methods, methods, strict=True):
            self._check_method(name, method)
        for name, training in self.networks.items():
            for shape in shapes:
                _check_net(name, training.net, shape)
        for name, t in self.trajectories.items():
            if t.pool.shards > t.pool.batches:
                raise ValueError(
                    f"trajectories.{name}: {t.pool.shards} shards, but {t.pool.batches} batches"
                )
            if t.pool.storage == "coefficients" and any(len(shape) == 1 for shape in shapes):
                raise ValueError(
                    f"trajectories.{name}: pool.storage coefficients is for image sets; 2-D laws"
                    " are sampled afresh, so their points are stored"
                )
        self._check_targets()
        self._check_features(shapes)
        self._check_shards(shapes)
        self._check_solver(methods)
        return self

    def _check_targets(self):
        if self.targets is None:
            return
        if self.targets.flow not in self.trajectories:
            raise ValueError(f"targets.flow: there is no trajectories.{self.targets.flow}")
        for name, t in self.trajectories.items():
            if t.flow.backend == "geomloss" and t.flow.scaling not in self.targets.scalings:
                raise ValueError(
                    f"targets.scalings lacks {t.flow.scaling:g} of trajectories.{name}"
                )

    def _check_features(self, shapes):
        if self.metrics.features and any(len(shape) == 1 for shape in shapes):
            raise ValueError("metrics.features are for images; a 2-D data set has none")
        if "classifier" in self.metrics.features and "classifier" not in self.networks:
            raise ValueError("metrics.features has 'classifier': give networks.classifier too")

    def _check_shards(self, shapes):
        if self.shards.features > 1 and any(len(shape) == 1 for shape in shapes):
            raise ValueError("shards.features is for images; a 2-D data set has no features")
        sizes = {"sample": self.sampling.batch_size, "features": FEATURE_BATCH}
        for name, size in sizes.items():
            asked, most = getattr(self.shards, name), -(-self.sampling.n_samples // size)
            if asked > most:
                raise ValueError(f"shards.{name}: {asked} jobs, but {most} batches of {size}")

    def _check_solver(self, methods):
        if self.sampling.solver == "rk4" and any(n % 4 for n in self.nfe):
            raise ValueError(
                "sampling.solver rk4 takes 4 evaluations a step: nfe in multiples of 4"
            )
        matched = [m.label for m in methods if m.nfe_of]
        if self.sampling.solver != "euler" and matched:
            raise ValueError(f"'{matched[0]}' can spend any NFE with sampling.solver euler alone")

    def _check_method(self, name, method):
        if method.same_as:
            raise ValueError(f"method '{name}' prints '{method.same_as}': list that one instead")
        missing = [n for n in method.networks if n not in self.networks]
        if missing:
            raise ValueError(f"method '{name}' needs networks.{missing[0]}, which is not given")
        if method.nfe_of and method.nfe_of not in self.methods:
            raise ValueError(f"method '{name}' takes its NFE from '{method.nfe_of}': list it too")
        if not method.two_phase and not method.nfe_of and not self.nfe:
            raise ValueError(f"method '{name}' needs nfe, which is empty")
        if method.needs_pool:
            self._check_flow(name, method)

    def _check_flow(self, name, method):
        counts = (None,) if method.two_phase else self.nfe
        if all(self.flow_name(nfe, method.backend) is None for nfe in counts):
            steps = "" if method.two_phase else f"steps {' or '.join(map(str, counts))} and "
            raise ValueError(
                f"method '{name}' needs a flow under trajectories with {steps}backend"
                f" '{method.backend}': add one, or leave the method out"
            )


class Figure(Model):
    """A figure of the paper, or one of ours."""

    kind: FigureKind
    study: StudyName | None = None
    """The study whose cells are shown; null for kind targets, which shows data sets of any."""
    datasets: tuple[str, ...] = Field(min_length=1)
    methods: tuple[str, ...] = ()
    """Methods that are shown; all of the study's where empty."""
    nfe: int | None = None
    """Evaluations a sample of the methods shown, count; null for two-phase methods."""


class Preset(Model):
    """One run of everything, from data to report."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    title: str
    """Printed over every table and figure; says so where the run is reduced."""
    reduced: tuple[str, ...] = ()
    """What differs from the paper's settings, one sentence each; empty for `paper`."""
    seed: int = Field(ge=0)
    """Root of all random streams."""
    studies: dict[StudyName, Study] = Field(min_length=1)
    judging: Judging = Judging()
    figures: dict[Name, Figure] = Field(default_factory=dict)
    """By file name: figure3 is Figure 3 of the paper."""

    @model_validator(mode="after")
    def _studies_are_apart(self):
        every = [d for study in self.studies.values() for d in study.datasets]
        twice = sorted({d for d in every if every.count(d) > 1})
        if twice:
            raise ValueError(f"data set '{twice[0]}' is listed twice; its files would collide")
        return self

    def study_of(self, dataset: str) -> Study | None:
        """The study that has the data set; None if there is none."""
        return next((s for s in self.studies.values() if dataset in s.datasets), None)

    @model_validator(mode="after")
    def _figures_exist(self):
        for name, figure in self.figures.items():
            if figure.kind == "targets":
                self._check_targets_figure(name, figure)
            else:
                self._check_figure(name, figure)
        return self

    def _check_targets_figure(self, name, figure):
        if figure.study or figure.methods or figure.nfe is not None:
            raise ValueError(f"figures.{name}: kind 'targets' takes datasets and nothing else")
        for dataset in figure.datasets:
            study = self.study_of(dataset)
            if study is None or study.targets is None:
                raise ValueError(f"figures.{name}: no study with targets has '{dataset}'")

    def _check_figure(self, name, figure):
        study = self.studies.get(figure.study)
        if study is None:
            raise ValueError(f"figures.{name} shows study '{figure.study}', which is not given")
        absent = [d for d in figure.datasets if d not in study.datasets]
        absent += [m for m in figure.methods if m not in study.methods]
        if absent:
            raise ValueError(f"figures.{name}: study '{figure.study}' has no '{absent[0]}'")
        if figure.nfe is not None and figure.nfe not in study.nfe:
            raise ValueError(f"figures.{name}: nfe {figure.nfe} is not one of {study.nfe}")
        image = DATASETS[figure.datasets[0]].is_image
        if image != (figure.kind in IMAGE_FIGURES):
            shows = "2-D points" if image else "images"
            raise ValueError(f"figures.{name}: kind '{figure.kind}' shows {shows}")
        if figure.kind != "neighbours" and study.sampling.solver == "dopri5":
            raise ValueError(
                f"figures.{name} shows states on the way, which solver dopri5 does not keep"
            )


def _check_net(name: str, net: object, shape: tuple[int, ...]) -> None:
    image = len(shape) == 3
    if not image and net.kind != "mlp":
        raise ValueError(f"networks.{name}: a '{net.kind}' cannot read points of shape {shape}")
    wanted = (NET_OF[name],) if name in NET_OF else FIELDS
    if net.kind not in wanted:
        raise ValueError(f"networks.{name}: kind is '{net.kind}', not {' or '.join(wanted)}")
    if isinstance(net, UNetNet):
        side = shape[-1]
        if side % net.patch:
            raise ValueError(f"networks.{name}: patch {net.patch} does not divide side {side}")
        widths = [net.channels * m for m in net.multipliers]
        parts = net.heads if net.head_channels == -1 else net.head_channels
        attended = [w for i, w in enumerate(widths) if 2**i in net.attention_downsampling]
        if any(w % 32 for w in widths) or any(w % parts for w in [*attended, widths[-1]]):
            raise ValueError(
                f"networks.{name}: widths {widths} must be multiples of 32 (group norm) and, where"
                f" there is attention, of {parts} (attention heads)"
            )
        levels = 2 ** (len(net.multipliers) - 1)
        if (side // net.patch) % levels:
            raise ValueError(
                f"networks.{name}: {len(net.multipliers)} levels need a side divisible by {levels},"
                f" got {side // net.patch} after patchifying"
            )

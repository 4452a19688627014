"""What there is to run: data sets, networks and methods, by name.

Only names and module paths, so that reading a configuration imports nothing heavy and so that a
stage's code hash follows just the modules that it uses. A new data set, network or method is one
line here and one small file.
"""

import difflib
import importlib
import importlib.util
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import ModuleType

from nsgf.errors import NsgfError


@dataclass(frozen=True)
class Cloud:
    """Points of one's own (nsgf.data.cloud): the SHA-256 of their file, how many they are, and
    names of their coordinates, if they have any."""

    sha256: str
    train: int
    test: int
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """A source law, a target law and the shape of one point.

    A law is a name in nsgf.data.synthetic, or a module of its own with `sample(n, numbers)`, or
    with `log_density(x)` where its points cannot be drawn, or with both. `files` are what such a
    module reads: where one changes, all that rests on it is made again.
    """

    label: str
    shape: tuple[int, ...]
    target: str
    source: str = "gaussian"
    flip: bool = False  # mirror training images at random
    files: tuple[str, ...] = ()
    cloud: Cloud | None = None  # a preset's own points, which its one file holds

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3 and not self.cloud

    @property
    def is_drawn(self) -> bool:
        """Whether there are points of its target: some have another for each training."""
        return not is_module(self.target) or hasattr(module_of(self.target), "sample")

    @property
    def modules(self) -> tuple[str, ...]:
        """Laws that are modules of their own."""
        return tuple(law for law in (self.source, self.target) if is_module(law))


STORED = ("map", "convex", "measure")  # roles of networks that are no field, run once as stored
ANY = "any"  # settings of a learner that nobody else knows


@dataclass(frozen=True)
class Network:
    """What one training makes: its module, and what it learns from.

    The module has `objective`, for one network and one Adam, or `learner`, for anything else
    (nsgf.train.learner). `after` names networks of the same method that are trained before, and
    that it is given.
    """

    module: str
    needs_pool: bool = False
    after: tuple[str, ...] = ()
    role: str = "field"  # of the network that its training configures
    options: str = ""  # class of its learner's own settings; ANY: it reads them itself
    goes_on: bool = False  # from the weights of the network before it
    stepwise: bool = False  # learns options.steps moves: as many evaluations a sample
    ends: bool = False  # learns from both ends of a pool's one step, not along it


@dataclass(frozen=True)
class Method:
    """A way to make samples: the networks it trains and the module whose `draw` runs them."""

    label: str
    networks: tuple[str, ...] = ()
    sampler: str = ""
    nfe_of: str | None = None  # takes as many evaluations as this method needed on average
    same_as: str | None = None  # prints this method's numbers: identical network and sampler
    learner: str = ""  # module that trains its first network, where NETWORKS has none for it

    @property
    def needs_pool(self) -> bool:
        return any(NETWORKS[name].needs_pool for name in self.networks)

    @property
    def two_phase(self) -> bool:
        return "phase" in self.networks

    @property
    def stepwise(self) -> bool:
        return any(NETWORKS[name].stepwise for name in self.networks)

    @property
    def takes_nfe(self) -> bool:
        """Whether the number of evaluations is free to choose."""
        own = any(NETWORKS[n].role in STORED for n in self.networks)
        return not (self.two_phase or self.nfe_of or self.stepwise or self.follows_flow or own)

    @property
    def follows_flow(self) -> bool:
        """Whether its samples take the steps of its pool's flow."""
        return any(NETWORKS[n].needs_pool and not NETWORKS[n].ends for n in self.networks)


@dataclass(frozen=True)
class Storage:
    """A form of the trajectory pool: its module, and the arrays of a shard if it has any."""

    module: str
    files: tuple[str, ...] = ()


DATASETS = {
    "8gaussians": Dataset("8gaussians", (2,), "8gaussians"),
    "8gaussians-moons": Dataset("8gaussians-moons", (2,), "moons", source="8gaussians"),
    "moons": Dataset("moons", (2,), "moons"),
    "scurve": Dataset("s-curve", (2,), "scurve"),
    "checkerboard": Dataset("checkerboard", (2,), "checkerboard"),
    "mnist": Dataset("MNIST", (1, 28, 28), "mnist"),
    "fashion-mnist": Dataset("Fashion-MNIST", (1, 28, 28), "fashion-mnist"),
    "cifar10": Dataset("CIFAR-10", (3, 32, 32), "cifar10", flip=True),
}

OWN = "nsgf.config.learning"  # classes of settings that learners have of their own
NETWORKS = {
    "velocity": Network("nsgf.train.velocity", needs_pool=True),
    "straight": Network("nsgf.train.straight"),
    "ot_cfm": Network("nsgf.train.ot_cfm"),
    "pairs": Network("nsgf.train.pairs", needs_pool=True, ends=True),
    "si": Network("nsgf.train.interpolant"),
    "reflow_2": Network(
        "nsgf.train.reflow", after=("straight",), options=f"{OWN}.Reflow", goes_on=True
    ),
    "reflow_3": Network(
        "nsgf.train.reflow", after=("reflow_2",), options=f"{OWN}.Reflow", goes_on=True
    ),
    "ept": Network("nsgf.train.ept", options=f"{OWN}.DensityRatio", stepwise=True),
    "jko_flow": Network("nsgf.train.jko_flow", options=f"{OWN}.JKO", stepwise=True),
    "phase": Network("nsgf.train.phase", role="time"),
    "classifier": Network("nsgf.train.classifier", role="classes"),
}

METHODS = {
    "nsgf": Method("NSGF", ("velocity",), "nsgf.sample.flow"),
    "nsgf++": Method("NSGF++", ("velocity", "phase", "straight"), "nsgf.sample.two_phase"),
    "fm": Method("FM (sigma = 0)", ("straight",), "nsgf.sample.straight"),
    "ot_cfm": Method("OT-CFM", ("ot_cfm",), "nsgf.sample.straight"),
    "ot_cfm-pool": Method("OT-CFM, stored minibatches", ("pairs",), "nsgf.sample.straight"),
    "si": Method("SI (trigonometric)", ("si",), "nsgf.sample.straight"),
    "2-rf": Method("2-RF", ("straight", "reflow_2"), "nsgf.sample.straight"),
    "3-rf": Method("3-RF", ("straight", "reflow_2", "reflow_3"), "nsgf.sample.straight"),
    "ept": Method("EPT (Gao et al. 2022)", ("ept",), "nsgf.sample.moves"),
    "jko-flow": Method("JKO-Flow (Fan et al. 2022)", ("jko_flow",), "nsgf.sample.moves"),
    "straight": Method(
        "Straight flow alone (= FM, sigma = 0)", ("straight",), "nsgf.sample.straight", "nsgf++"
    ),
    "1-rf": Method("1-RF", same_as="fm"),
}

# Kinds of studies: each a folder with metrics, tables, figures and claims. A `catalogue.py` in it
# may have DATASETS, METHODS, NETWORKS, NETS and FIGURES of its own.
STUDIES = {
    "planar": "nsgf.studies.planar",
    "images": "nsgf.studies.images",
    "diffusion": "nsgf.studies.diffusion",
    "aggregation": "nsgf.studies.aggregation",
    "logistic": "nsgf.studies.logistic",
}


@dataclass(frozen=True)
class Figure:
    """A kind of figure: the module with its `draw`, and what it is drawn from.

    `reads`: paths, or neighbours, of cells; targets; probe; table. `shows`: what alone it can draw:
    plane, images, vectors or pixels. `axes`: of settings that vary, which it is over.
    """

    module: str
    reads: str = "paths"
    shows: str = ""
    axes: tuple[str, ...] = ()


FIGURES = {
    "paths": Figure("nsgf.report.paths", shows="plane"),
    "panels": Figure("nsgf.report.panels", shows="plane"),
    "phases": Figure("nsgf.report.phases", shows="images"),
    "trajectories": Figure("nsgf.report.trajectories", shows="images"),
    "neighbours": Figure("nsgf.report.neighbours", reads="neighbours", shows="images"),
    "targets": Figure("nsgf.report.targets", reads="targets"),
    "probe": Figure("nsgf.report.probe", reads="probe"),
    "marginals": Figure("nsgf.report.marginals", shows="vectors"),
    "projection": Figure("nsgf.report.projection", shows="vectors"),
    "samples": Figure("nsgf.report.samples", shows="pixels"),
    "heatmap": Figure("nsgf.report.heatmap", reads="table", axes=("x", "y")),
    "curve": Figure("nsgf.report.curve", reads="table", axes=("x",)),
}

# Modules that are loaded by a name in the configuration.
NETS = {
    "mlp": "nsgf.nets.mlp",
    "unet": "nsgf.nets.unet",
    "phase_cnn": "nsgf.nets.phase",
    "phase_mlp": "nsgf.nets.phase_mlp",
    "potential_mlp": "nsgf.nets.potential_mlp",
    "classifier": "nsgf.nets.classifier",
}
BACKENDS = {
    "newton": "nsgf.ot.newton_backend",
    "geomloss": "nsgf.ot.geomloss_backend",
    "geomloss-online": "nsgf.ot.geomloss_backend",
    "exact": "nsgf.ot.exact_backend",
    "flash-sinkhorn": "nsgf.ot.flash_sinkhorn_backend",
}
# Stages of the DAG, in the direction of the data: each a module of nsgf.stages.
STAGES = (
    "fetch",
    "fetch-inception",
    "build-pool",
    "train",
    "sample",
    "gather",
    "reference",
    "features",
    "evaluate",
    "targets",
    "probe",
    "table",
    "figure",
    "claims",
)
# Files of an image set, each a .npy.
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
SHARD_META, SHARD_CURVE = "flow.json", "divergence.csv"  # beside the arrays of every shard
STORAGES = {
    "points": Storage("nsgf.flows.points", ("x.npy", "v.npy")),
    "coefficients": Storage(
        "nsgf.flows.coefficients",
        ("target.npy", "mirrored.npy", "starts.npy", "columns.npy", "weights.npy"),
    ),
    "streaming": Storage("nsgf.flows.streaming"),
}


_TAKEN: dict[tuple[str, str], str] = {}  # table and name: the kind of study that brought it


def _take_in(kind: str, study: str) -> None:
    """Add what a study's catalogue has to the tables here."""
    package = importlib.util.find_spec(f"{study}.catalogue")
    for name, table in vars(module_of(f"{study}.catalogue")).items() if package else ():
        if name in TABLES:
            _TAKEN.update({(name, key): kind for key in table.keys() - TABLES[name].keys()})
            _add(name, table)


def shown_entries(kinds: Collection[str]) -> tuple:
    """Data sets and methods that tables and figures of some kinds of studies may show.

    Those that other kinds have brought are left out: a new kind makes no table stale.
    """
    return tuple(
        (key, entry)
        for name in ("DATASETS", "METHODS")
        for key, entry in TABLES[name].items()
        if _TAKEN.get((name, key)) in (None, *kinds)
    )


def _add(name: str, entries: Mapping) -> None:
    """Add entries to a table; none takes another's place.

    Raises:
        NsgfError: the table has another entry of that name.
    """
    for key, entry in entries.items():
        if TABLES[name].setdefault(key, entry) != entry:
            raise NsgfError(
                f"the registry has two entries '{key}' in {name}", "give one of them another name"
            )


def add_cloud(name: str, entry: Dataset) -> None:
    """Add the data set of a preset; it may take the place of another preset's.

    Raises:
        NsgfError: a data set of the project has that name.
    """
    if name in DATASETS and not DATASETS[name].cloud:
        raise NsgfError(
            f"the project has a data set '{name}' of its own", "give yours another name"
        )
    DATASETS[name] = entry


MOST_NAMED = 40  # of known names in a message


def lookup(table: Mapping, name: str, what: str):
    """`table[name]`.

    Raises:
        NsgfError: there is no such name; the message names the nearest and all known ones.
    """
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, list(table), n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    known = f"known: {', '.join(sorted(table))}" if len(table) <= MOST_NAMED else ""
    raise NsgfError(f"unknown {what} '{name}'", f"{hint}{known}" or "see what there is: nsgf dag")


def is_module(name: str) -> bool:
    """Whether a name of a law is a module's path."""
    return "." in name


def module_of(path: str) -> ModuleType:
    """Import a module of the registry when it is first used."""
    return importlib.import_module(path)


def kind_of(study: str):
    """The KIND of a kind of study (nsgf.studies.kind), by its name here."""
    return module_of(lookup(STUDIES, study, "kind of study")).KIND


def claims_of(study: str) -> tuple[str, str]:
    """Modules of a kind's claims, and of the evidence for them: as its KIND says, or else its
    folder's `claims` and `evidence`; "" where there are none."""
    kind, folder = kind_of(study), STUDIES[study]
    package = hasattr(module_of(folder), "__path__")
    own = package and importlib.util.find_spec(f"{folder}.claims") is not None
    claims = kind.claims or (f"{folder}.claims" if own else "")
    return claims, kind.evidence or (f"{folder}.evidence" if claims else "")


# Last, because a catalogue is written in the classes above.
TABLES = {
    "DATASETS": DATASETS,
    "METHODS": METHODS,
    "NETWORKS": NETWORKS,
    "NETS": NETS,
    "FIGURES": FIGURES,
}
for _kind, _study in STUDIES.items():
    _take_in(_kind, _study)
# A method that brings its own learner needs no line in NETWORKS.
_own = {m.networks[0]: Network(m.learner, options=ANY) for m in METHODS.values() if m.learner}
_add("NETWORKS", _own)

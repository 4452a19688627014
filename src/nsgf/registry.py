"""What there is to run: data sets, networks and methods, by name.

Only names and module paths, so that reading a configuration imports nothing heavy and so that a
stage's code hash follows just the modules that it uses. A new data set, network or method is one
line here and one small file.
"""

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from nsgf.errors import NsgfError


@dataclass(frozen=True)
class Dataset:
    """A source law, a target law and the shape of one point.

    A 2-D law is a name in nsgf.data.synthetic, or a module of its own with `sample(n, generator)`.
    """

    label: str
    shape: tuple[int, ...]
    target: str
    source: str = "gaussian"
    flip: bool = False  # mirror training images at random

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3

    @property
    def modules(self) -> tuple[str, ...]:
        """Laws that are modules of their own."""
        return tuple(law for law in (self.source, self.target) if is_module(law))


@dataclass(frozen=True)
class Network:
    """A network of a method: the module with its `objective`, and whether it learns from a pool."""

    module: str
    needs_pool: bool = False


@dataclass(frozen=True)
class Method:
    """A way to make samples: the networks it trains and the module whose `draw` runs them."""

    label: str
    networks: tuple[str, ...] = ()
    sampler: str = ""
    nfe_of: str | None = None  # takes as many evaluations as this method needed on average
    same_as: str | None = None  # prints this method's numbers: identical network and sampler
    backend: str = "newton"  # solver that computes its pool's velocities, a key of BACKENDS
    objective: str = ""  # module of its first network's objective, where NETWORKS has none for it

    @property
    def needs_pool(self) -> bool:
        return any(NETWORKS[name].needs_pool for name in self.networks)

    @property
    def two_phase(self) -> bool:
        return "phase" in self.networks


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

NETWORKS = {
    "velocity": Network("nsgf.train.velocity", needs_pool=True),
    "straight": Network("nsgf.train.straight"),
    "ot_cfm": Network("nsgf.train.ot_cfm"),
    "phase": Network("nsgf.train.phase"),
    "classifier": Network("nsgf.train.classifier"),
}

METHODS = {
    "nsgf": Method("NSGF", ("velocity",), "nsgf.sample.flow"),
    "nsgf++": Method("NSGF++", ("velocity", "phase", "straight"), "nsgf.sample.two_phase"),
    "fm": Method("FM (sigma = 0)", ("straight",), "nsgf.sample.straight"),
    "ot_cfm": Method("OT-CFM", ("ot_cfm",), "nsgf.sample.straight"),
    "straight": Method(
        "Straight flow alone (= FM, sigma = 0)", ("straight",), "nsgf.sample.straight", "nsgf++"
    ),
    "1-rf": Method("1-RF", same_as="fm"),
    # Our ablation, never printed: GeomLoss's targets in place of exact ones.
    "nsgf-geomloss": Method(
        "NSGF, GeomLoss targets", ("velocity",), "nsgf.sample.flow", backend="geomloss"
    ),
}

# A method that brings its own objective needs no line in NETWORKS.
NETWORKS |= {m.networks[0]: Network(m.objective) for m in METHODS.values() if m.objective}

# Modules that are loaded by a name in the configuration.
NETS = {
    "mlp": "nsgf.nets.mlp",
    "unet": "nsgf.nets.unet",
    "phase_cnn": "nsgf.nets.phase",
    "classifier": "nsgf.nets.classifier",
}
BACKENDS = {
    "newton": "nsgf.ot.newton_backend",
    "geomloss": "nsgf.ot.geomloss_backend",
    "geomloss-online": "nsgf.ot.geomloss_online_backend",
    "flash-sinkhorn": "nsgf.ot.flash_sinkhorn_backend",
}
SHARD_META, SHARD_CURVE = "flow.json", "divergence.csv"  # beside the arrays of every shard
STORAGES = {
    "points": Storage("nsgf.flows.points", ("x.npy", "v.npy")),
    "coefficients": Storage(
        "nsgf.flows.coefficients",
        ("target.npy", "mirrored.npy", "starts.npy", "columns.npy", "weights.npy"),
    ),
    "streaming": Storage("nsgf.flows.streaming"),
}


def lookup(table: Mapping, name: str, what: str):
    """`table[name]`.

    Raises:
        NsgfError: there is no such name; the message names the nearest and all known ones.
    """
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, list(table), n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise NsgfError(f"unknown {what} '{name}'", f"{hint}known: {', '.join(sorted(table))}")


def is_module(name: str) -> bool:
    """Whether a name of a law is a module's path."""
    return "." in name


def module_of(path: str) -> ModuleType:
    """Import a module of the registry when it is first used."""
    return importlib.import_module(path)

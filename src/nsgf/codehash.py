"""Hash of the code that a stage really uses.

Snakemake cannot see what an imported module does. `code_of` follows a module's imports inside this
package, through the syntax trees and without docstrings and comments: editing a comment changes
nothing, editing a constant changes every stage that reaches it.
"""

import ast
import functools
import hashlib
import json
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from nsgf.registry import DATASETS, METHODS, NETWORKS

PACKAGE = "nsgf"
ROOT = Path(__file__).parent
# Cannot change a result: messages, progress, provenance, resuming; the registry's entries enter a
# stage's hash one by one, as `entries`.
NOT_CODE = {
    f"{PACKAGE}.{name}"
    for name in (
        *("registry", "errors", "private", "progress", "codehash", "artifact", "state"),
        "lifeline",
    )
}


# Libraries whose version can change a number.
LIBRARIES = (
    "torch",
    "geomloss",
    "POT",
    "torchcfm",
    "torchdiffeq",
    "numpy",
    "scipy",
    "numba",
    "llvmlite",
)

STAGES = {
    "fetch": "nsgf.stages.fetch",
    "fetch-inception": "nsgf.stages.fetch_inception",
    "build-pool": "nsgf.stages.build_pool",
    "train": "nsgf.stages.train",
    "sample": "nsgf.stages.sample",
    "gather": "nsgf.stages.gather",
    "reference": "nsgf.stages.reference",
    "features": "nsgf.stages.features",
    "evaluate": "nsgf.stages.evaluate",
    "targets": "nsgf.stages.targets",
    "table": "nsgf.stages.table",
    "targets-table": "nsgf.stages.targets_table",
    "figure": "nsgf.stages.figure",
    "claims": "nsgf.stages.claims",
}


@functools.cache
def code_of(*modules: str, entries: tuple = ()) -> str:
    """Hex SHA-256 (16 characters) of the import closure of `modules` and of registry entries."""
    closure: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in closure and name not in NOT_CODE:
            closure.add(name)
            waiting += _imports(name)
    parts = [f"{name} {_fingerprint(name)}" for name in sorted(closure)]
    parts += [f"{name} {metadata.version(name)}" for name in LIBRARIES]
    parts.append(json.dumps([repr(entry) for entry in entries]))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _file(name: str) -> Path | None:
    path = ROOT.joinpath(*name.split(".")[1:])
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((c for c in candidates if c.exists()), None)


@functools.cache
def _tree(name: str) -> ast.Module:
    path = _file(name)
    if path is None:
        raise ModuleNotFoundError(f"no module {name} in {ROOT}")
    return ast.parse(path.read_text())


@functools.cache
def _imports(name: str) -> tuple[str, ...]:
    """Modules of this package that `name` imports anywhere, and the packages that hold them."""
    found = {name.rpartition(".")[0]} - {""}
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return tuple(n for n in found if n.split(".")[0] == PACKAGE and _file(n))


@functools.cache
def _fingerprint(name: str) -> str:
    tree = ast.parse(ast.unparse(_tree(name)))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_text(part)] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_text(node: ast.stmt) -> bool:
    """Docstrings and the attribute docstrings of configuration models."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def stage_code(
    stage: str,
    dataset: str = "",
    network: str = "",
    method: str = "",
    figure: str = "",
    used: Iterable[str] = (),
) -> str:
    """Hash of the code of one stage doing one thing; imports nothing, so it is cheap.

    Args:
        stage: the sub-command.
        dataset, network, method: names in nsgf.registry that the stage works on.
        figure: kind of the figure.
        used: modules that the registry's tables name and that this piece of work loads, such as its
            network's.
    """
    modules, entries = [STAGES[stage], *used], []
    if stage in ("table", "targets-table", "figure", "claims"):
        entries += [*DATASETS.items(), *METHODS.items()]  # labels, order and aliases
    if stage == "figure":
        modules += [module for spec in DATASETS.values() for module in spec.modules]
    if dataset:
        entries.append(DATASETS[dataset])
        modules += DATASETS[dataset].modules
    if network:
        entries.append(NETWORKS[network])
        modules.append(NETWORKS[network].module)
    if method:
        entries.append(METHODS[method])
        modules.append(METHODS[method].sampler)
    if figure:
        modules.append(f"nsgf.report.{figure}")
    return code_of(*sorted(set(modules)), entries=tuple(entries))

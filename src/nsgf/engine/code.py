"""Hash of the code that a piece of work really uses.

Snakemake cannot see what an imported module does. `code_of` follows imports inside this package,
through the syntax trees and without docstrings and comments: editing a comment changes nothing,
editing a constant changes every stage that reaches it. Of a stage's own file only that counts which
its `make` reaches; how it lists its tasks does not.
"""

import ast
import functools
import hashlib
import json
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

PACKAGE = "nsgf"
ROOT = Path(__file__).parents[1]
# Cannot change a result: messages, progress, provenance, resuming; the registry's entries enter a
# task's hash one by one, as `entries`.
NOT_CODE = ("registry", "errors", "private", "progress", "artifact", "lifeline", "engine", "stages")
MAKE = "make"  # the function of a stage that makes a unit


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


def stage_module(stage: str) -> str:
    """The module of a stage, by the stage's name."""
    return f"{PACKAGE}.stages.{stage.replace('-', '_')}"


@functools.cache
def code_of(stage: str, modules: tuple[str, ...] = (), entries: tuple = ()) -> str:
    """Hex SHA-256 (16 characters) of all code that one stage uses; imports nothing, so it is cheap.

    Args:
        stage: its name; "" for the `modules` alone.
        modules: what it loads by name, such as a network's module.
        entries: lines of the registry that the work rests on.
    """
    parts = [f"{stage} {_own(stage)[0]}"] if stage else []
    parts += [f"{name} {_fingerprint(name)}" for name in sorted(modules_of(stage, modules))]
    parts += [f"{name} {_version(name)}" for name in LIBRARIES]
    parts.append(json.dumps([repr(entry) for entry in entries]))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def modules_of(stage: str, modules: Iterable[str] = ()) -> set[str]:
    """All modules of this package behind a stage and behind what it loads by name."""
    found: set[str] = set()
    waiting = [*modules, *(_own(stage)[1] if stage else ())]
    while waiting:
        name = waiting.pop()
        if name not in found and not is_aside(name):
            found.add(name)
            waiting += _imports(name)
    return found


@functools.cache
def _own(stage: str) -> tuple[str, tuple[str, ...]]:
    """Fingerprint of what `make` reaches in a stage's own file, and the modules that it imports."""
    own = reached(_tree(stage_module(stage)).body, MAKE)
    return _fingerprint_of(own), _imported(own)


@functools.cache
def _version(library: str) -> str:
    return metadata.version(library)


def reached(body: Sequence[ast.stmt], root: str) -> list[ast.stmt]:
    """The statements of a module that its function `root` reaches by name, in their order."""
    single = [part for node in body for part in _one_by_one(node)]
    defined: dict[str, list[ast.stmt]] = {}
    for node in single:
        for name in _names(node):
            defined.setdefault(name, []).append(node)
    found: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in defined and name not in found:
            found.add(name)
            inside = (part for node in defined[name] for part in ast.walk(node))
            waiting += [node.id for node in inside if isinstance(node, ast.Name)]
    return [node for node in single if found & set(_names(node))]


def _one_by_one(node: ast.stmt) -> list[ast.stmt]:
    """An import of several names as one of each."""
    if isinstance(node, ast.ImportFrom):
        return [ast.ImportFrom(node.module, [alias], node.level) for alias in node.names]
    return [node]


def _names(node: ast.stmt) -> list[str]:
    """Names that a statement at the top of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).split(".")[0] for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    inside = (n for target in targets if target is not None for n in ast.walk(target))
    return [n.id for n in inside if isinstance(n, ast.Name)]


def is_aside(name: str) -> bool:
    """Whether a module cannot change a result."""
    return name == PACKAGE or name.split(".")[1] in NOT_CODE


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
    return tuple({name.rpartition(".")[0]} - {""}) + _imported(_tree(name).body)


def _imported(body: Iterable[ast.stmt]) -> tuple[str, ...]:
    """Modules of this package that statements import, at the top or inside."""
    found: set[str] = set()
    for node in (inner for outer in body for inner in ast.walk(outer)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return tuple(n for n in sorted(found) if n.split(".")[0] == PACKAGE and _file(n))


@functools.cache
def _fingerprint(name: str) -> str:
    return _fingerprint_of(_tree(name).body)


def _fingerprint_of(body: Sequence[ast.stmt]) -> str:
    tree = ast.parse(ast.unparse(ast.Module([*body], [])))
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

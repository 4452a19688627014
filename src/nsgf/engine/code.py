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
STAGES = f"{PACKAGE}.stages"
MAKE = "make"  # the function of a stage that makes a unit

# Libraries that can change a number or a picture: by the name that is imported, what it stands for.
LIBRARIES = {
    "torch": ("torch",),
    "numpy": ("numpy",),
    "scipy": ("scipy",),
    "numba": ("numba", "llvmlite"),
    "geomloss": ("geomloss",),
    "ot": ("POT",),
    "torchcfm": ("torchcfm",),
    "torchdiffeq": ("torchdiffeq",),
    "cleanfid": ("clean-fid", "torchvision"),
    "efficientnet_lite_pytorch": ("efficientnet-lite-pytorch",),
    "PIL": ("pillow",),
    "pandas": ("pandas",),
    "matplotlib": ("matplotlib",),
    "seaborn": ("seaborn",),
}


def stage_module(stage: str) -> str:
    """The module of a stage, by the stage's name."""
    return f"{STAGES}.{stage.replace('-', '_')}"


@functools.cache
def code_of(stage: str, modules: tuple[str, ...] = (), entries: tuple = ()) -> str:
    """Hex SHA-256 (16 characters) of all code that one stage uses; imports nothing, so it is cheap.

    Args:
        stage: its name; "" for the `modules` alone.
        modules: what it loads by name, such as a network's module.
        entries: lines of the registry that the work rests on.
    """
    own, imported = _own(stage) if stage else ("", ())
    reached_modules = sorted(modules_of(stage, modules))
    parts = [f"{stage} {own}"] if stage else []
    parts += [f"{name} {_fingerprint(name)}" for name in reached_modules]
    named = {*imported, *(n for module in reached_modules for n in _imports(module))}
    used = {part for name in named for part in LIBRARIES.get(name.partition(".")[0], ())}
    parts += [f"{name} {_version(name)}" for name in sorted(used)]
    parts.append(json.dumps([repr(entry) for entry in entries]))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def modules_of(stage: str, modules: Iterable[str] = ()) -> set[str]:
    """All modules of this package behind a stage and behind what it loads by name."""
    found: set[str] = set()
    waiting = [*modules, *(_own(stage)[1] if stage else ())]
    while waiting:
        name = waiting.pop()
        if name not in found and _is_ours(name) and not is_aside(name):
            found.add(name)
            waiting += _imports(name)
    return found


@functools.cache
def _own(stage: str) -> tuple[str, tuple[str, ...]]:
    """Fingerprint of what `make` reaches in a stage's own file, and the modules that it imports."""
    own = reached(_tree(stage_module(stage)).body, MAKE)
    return _fingerprint_of(own), _imported(own, STAGES)


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
    """What a module imports anywhere, and the packages of ours that hold it."""
    holder = name if _file(name).name == "__init__.py" else name.rpartition(".")[0]
    return (name.rpartition(".")[0], *_imported(_tree(name).body, holder))


def _imported(body: Iterable[ast.stmt], holder: str) -> tuple[str, ...]:
    """What statements import, at the top or inside; `holder` is the package that they stand in.

    Of `from a import b` both a and a.b, because b may be a module.
    """
    found: set[str] = set()
    for node in (inner for outer in body for inner in ast.walk(outer)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(holder.split(".")[: len(holder.split(".")) + 1 - node.level])
            origin = ".".join(filter(None, [above if node.level else "", node.module]))
            found |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return tuple(sorted(found))


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == PACKAGE and _file(name) is not None


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

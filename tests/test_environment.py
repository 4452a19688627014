"""One set of versions: pyproject.toml, the lock and the conda environment agree."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler import MatchSpec

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_FILE = yaml.safe_load((ROOT / "environment.yml").read_text())
CONDA = [entry for entry in CONDA_FILE["dependencies"] if isinstance(entry, str)]
PIP = next(entry["pip"] for entry in CONDA_FILE["dependencies"] if isinstance(entry, dict))
PYPI_NAME = {
    "pytorch": "torch",
    "snakemake-minimal": "snakemake",
    "matplotlib-base": "matplotlib",
}
BARE = ("python", "pip")  # of conda's own, not in the lock
PIN = re.compile(r"([a-z0-9][a-z0-9._-]*)==([^\s;]+)(?: --hash=sha256:[0-9a-f]{64})*")


def logical_lines(name: str) -> list[str]:
    """Entries of a requirements file: comments left out, continued lines joined."""
    text = re.sub(r"^\s*#.*$", "", (ROOT / "requirements" / name).read_text(), flags=re.MULTILINE)
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    return [line.strip() for line in joined.splitlines() if line.strip()]


def pins(name: str) -> dict[str, str]:
    """Version by canonical name."""
    entries = [Requirement(line.split(" --")[0]) for line in logical_lines(name)]
    return {canonicalize_name(e.name): str(e.specifier).removeprefix("==") for e in entries}


def direct(*extras: str) -> dict[str, Requirement]:
    """Dependencies that pyproject.toml declares, by canonical name."""
    texts = [*PROJECT["dependencies"]]
    for extra in extras:
        texts += PROJECT["optional-dependencies"][extra]
    return {canonicalize_name(r.name): r for r in map(Requirement, texts)}


TORCH, LOCK = pins("torch.txt"), pins("lock.txt")
LOCKED = TORCH | LOCK


def conda_name(entry: str) -> str:
    """The name on PyPI of a conda entry."""
    name = MatchSpec(entry, strict=True).name.normalized
    return PYPI_NAME.get(name, name)


@pytest.mark.parametrize("entry", [e for e in CONDA if e.partition("=")[0] not in BARE])
def test_a_conda_pin_is_the_locks(entry):
    spec = MatchSpec(entry, strict=True)
    assert str(spec.version) == f"=={LOCKED[conda_name(entry)]}"


@pytest.mark.parametrize("entry", PIP)
def test_a_pip_pin_is_the_locks(entry):
    requirement = Requirement(entry)
    assert str(requirement.specifier) == f"=={LOCKED[canonicalize_name(requirement.name)]}"


def test_the_conda_environment_is_whole_and_names_each_package_once():
    assert set(CONDA_FILE) == {"name", "channels", "dependencies"}
    assert CONDA_FILE["channels"] == ["conda-forge", "bioconda", "nodefaults"]
    assert str(MatchSpec(CONDA[0], strict=True).version) == "3.11.*"
    assert "pip" in CONDA
    names = [*map(conda_name, CONDA), *(canonicalize_name(Requirement(e).name) for e in PIP)]
    assert len(names) == len(set(names))
    missing = (set(direct()) | extras_of_direct()) - set(names)
    assert missing == set()


def extras_of_direct() -> set[str]:
    """What extras such as snakemake[reports] bring."""
    found = set()
    for name, requirement in direct().items():
        for extra in requirement.extras:
            for needed in map(Requirement, metadata.requires(name)):
                if "extra" in str(needed.marker) and needed.marker.evaluate({"extra": extra}):
                    found.add(canonicalize_name(needed.name))
    return found


@pytest.mark.parametrize(
    "requirement", [pytest.param(r, id=name) for name, r in direct("dev").items()]
)
def test_a_direct_dependency_is_locked_at_a_version_that_fits(requirement):
    assert requirement.specifier.contains(LOCKED[canonicalize_name(requirement.name)])


def test_torch_is_locked_apart_as_pyproject_says():
    declared = direct()
    assert {n: f"=={v}" for n, v in TORCH.items()} == {
        n: str(declared[n].specifier) for n in ("torch", "torchvision")
    }
    assert set(TORCH).isdisjoint(LOCK)


@pytest.mark.parametrize("name", ["torch.txt", "lock.txt"])
def test_requirements_are_names_and_versions_and_no_host(name):
    """No index, address, local path or marker: nothing but pins and their hashes."""
    assert [line for line in logical_lines(name) if not PIN.fullmatch(line)] == []
    assert "://" not in (ROOT / "requirements" / name).read_text()


def test_every_pin_of_the_lock_has_a_hash():
    assert [line for line in logical_lines("lock.txt") if "--hash=sha256:" not in line] == []

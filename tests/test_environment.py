"""One set of versions: pyproject.toml, the lock and the conda environment agree."""

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
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
SUPPORTED = SpecifierSet(PROJECT["requires-python"])
PYTHONS = [f"3.{minor}" for minor in range(40) if f"3.{minor}.0" in SUPPORTED]
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
    assert CONDA[0].removeprefix("python=") in PYTHONS
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


def brought(version: str) -> dict[str, set[str]]:
    """What the direct dependencies bring on one version of Python: specifiers by name.

    Read from what is installed. torch and torchvision bring what their own pins say.
    """
    marks = {"python_version": version, "python_full_version": f"{version}.0"}
    waiting = [(name, extra) for name, r in direct("dev").items() for extra in ("", *r.extras)]
    found, seen = {name: {str(r.specifier)} for name, r in direct("dev").items()}, set(waiting)
    while waiting:
        name, extra = waiting.pop()
        for needed in map(Requirement, [] if name in TORCH else metadata.requires(name) or []):
            if needed.marker and not needed.marker.evaluate(marks | {"extra": extra}):
                continue
            part = canonicalize_name(needed.name)
            found.setdefault(part, set()).add(str(needed.specifier))
            new = {(part, extra) for extra in ("", *needed.extras)} - seen
            waiting, seen = waiting + sorted(new), seen | new
    return found


@pytest.mark.parametrize("version", PYTHONS)
def test_the_lock_holds_all_that_a_supported_python_needs(version):
    needed = brought(version)
    assert len(needed) > 200
    unfit = {
        name: (LOCKED.get(name), specifiers)
        for name, specifiers in needed.items()
        if name not in LOCKED
        or not all(SpecifierSet(s).contains(LOCKED[name], prereleases=True) for s in specifiers)
    }
    assert unfit == {}


def stand_in(folder: Path, name: str, version: str) -> None:
    """A Python that says it is of `version` and cannot make virtual environments."""
    program = f"import sys; sys.version_info = ({version.replace('.', ', ')}, 0)"
    script = (
        "#!/bin/sh\n"
        f'[ "$1" = --version ] && echo Python {version}.0 && exit\n'
        'case "$2" in *ensurepip*) exit 1;; esac\n'
        f'exec {sys.executable} -c "{program}; exec(sys.argv[1])" "$2"\n'
    )
    path = folder / name
    path.write_text(script)
    path.chmod(0o755)


def set_up(folder: Path, **environment: str) -> str:
    """What the set-up says where it must stop before anything is made or downloaded."""
    bare = {"PATH": f"{folder}:/usr/bin:/bin"}
    result = subprocess.run(
        [ROOT / "requirements/install.sh", folder / "venv"],
        env={k: v for k, v in os.environ.items() if k != "PYTHON"} | bare | environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert not (folder / "venv").exists()
    assert result.stderr.count("nsgf: ") == result.stderr.count("mend") == 1
    assert len(result.stderr.splitlines()) == 2
    return result.stderr


@pytest.mark.parametrize("version", ["3.10", "3.14", "4.11"])
def test_another_python_is_one_message_before_the_set_up(tmp_path, version):
    assert f"{version}.0" not in SUPPORTED
    stand_in(tmp_path, "mine", version)
    said = set_up(tmp_path, PYTHON=str(tmp_path / "mine"))
    assert f"'{tmp_path}/mine' is Python {version}.0" in said
    assert all(name in said for name in PYTHONS)
    assert "'nowhere' is missing" in set_up(tmp_path, PYTHON="nowhere")


def test_the_first_supported_python_that_runs_is_taken(tmp_path):
    """It gets as far as the check for venv, and is named there."""
    (tmp_path / "python3.11").write_text("#!/bin/sh\nexit 127\n")  # as a version manager's
    (tmp_path / "python3.11").chmod(0o755)
    for name, version in (("python3.12", "3.12"), ("python3.13", "3.13"), ("python3", "3.10")):
        stand_in(tmp_path, name, version)
    assert "'python3.12' cannot make" in set_up(tmp_path)
    for version in PYTHONS:
        stand_in(tmp_path, "mine", version)
        said = set_up(tmp_path, PYTHON=str(tmp_path / "mine"))
        assert f"python{version}-venv" in said
    for name in ("python3.12", "python3.13"):
        (tmp_path / name).unlink()
        stand_in(tmp_path, name, "3.10")
    assert "'python3' is Python 3.10.0" in set_up(tmp_path)

"""A fitted estimator as one file: a zip of its networks, its settings and its units."""

import json
import re
import zipfile
from pathlib import Path

import numpy as np

from nsgf.artifact import atomic
from nsgf.data.cloud import Cloud
from nsgf.data.problem import CloudProblem, Problem, open_problem
from nsgf.errors import NsgfError

ABOUT, UNITS = "about.json", "units.npz"
MEMBER = re.compile(r"about\.json|units\.npz|\w+\.safetensors")


def save(path: Path, about: dict, models: list[Path], problem: Problem) -> None:
    """Write settings `about` (JSON), networks, and the units and own source of a problem."""
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as file:
        file.writestr(ABOUT, json.dumps(about, indent=1))
        for model in models:
            file.write(model, model.name)
        if isinstance(problem, CloudProblem):
            with file.open(UNITS, "w") as units:
                np.savez(units, **problem.kept())


def load(path: Path, folder: Path) -> tuple[dict, Problem]:
    """Unpack networks into `folder`; returns the settings, and the problem without its points.

    Raises:
        NsgfError: the file is missing, damaged or something else.
    """
    try:
        with zipfile.ZipFile(path) as file:
            for name in filter(MEMBER.fullmatch, file.namelist()):  # nothing else, nowhere else
                (folder / name).write_bytes(file.read(name))
        about = json.loads((folder / ABOUT).read_text())
        if not (folder / UNITS).exists():
            return about, open_problem(about["unit"]["dataset"], None)
        with np.load(folder / UNITS, allow_pickle=False) as arrays:
            mean, scale, source = (arrays.get(n) for n in ("mean", "scale", "source"))
        none = np.empty((0, *mean.shape), np.float32)
        return about, CloudProblem(Cloud(none, none, mean, scale), source)
    except (OSError, zipfile.BadZipFile, AttributeError, KeyError, TypeError, ValueError) as error:
        raise NsgfError(
            f"'{path}' cannot be read as a model: {error}", "give a file that save() wrote"
        ) from error

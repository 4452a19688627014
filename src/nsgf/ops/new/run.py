"""Write a preset for points of one's own: their split, units and digest, a blur that fits."""

import math
import re
from pathlib import Path

import numpy as np
import yaml

from nsgf.artifact import sha256_file, write_text
from nsgf.config.base import load
from nsgf.config.find import FOLDER
from nsgf.config.preset import Preset
from nsgf.data import cloud
from nsgf.data.problem import CloudProblem
from nsgf.errors import NsgfError
from nsgf.estimator.points import points_of, standard_way
from nsgf.flows.scale import blur_for, step_size_for
from nsgf.ops.new.read import Points, read
from nsgf.registry import DATASETS
from nsgf.rng import stream

OWN = Path("data/own")
SEED, STEPS = 2401, 10
LEAST, MOST_TEST = 40, 1024  # points in all, and held out


def run(
    name: str, data: Path, test: float, scale: str, columns: tuple[str, ...], force: bool
) -> None:
    """Write config/<name>.yaml and data/own/<name>.npz, and say how to go on.

    Args:
        name: of the preset and of the data set. data: the file (`nsgf.ops.new.read`).
        test: share of the points that is held out. scale: how coordinates are standardised: auto,
            each, one or none (`nsgf.data.cloud.units`). columns: of a table, all where empty.
        force: whether a preset of that name is replaced.

    Raises:
        NsgfError: the name is taken or cannot be one, or the points cannot be learnt from.
    """
    preset, file = FOLDER / f"{name}.yaml", OWN / f"{name}.npz"
    _check_name(name, preset, force)
    if not 0 < test < 1:
        raise NsgfError(f"--test {test:g} is no share", "give a fraction in (0, 1), such as 0.2")
    points = read(data, columns)
    x = points_of(points.x, f"'{data}'", least=LEAST)
    (learnt, held), how = _split(x, test), standard_way(x, scale)
    own = cloud.Cloud(learnt, held, *cloud.units(learnt, how))
    cloud.write(file, own)
    write_text(preset, _preset(name, data, file, own, points, how))
    whole = load(preset, Preset)
    known, study = whole.data[name], whole.studies[name]
    print(
        f"{file}  {known.train} points to learn from, {known.test} held out, shape"
        f" {known.shape}, standardised: {how}\n"
        f"{preset}  blur {study.flow.blur:g}, {study.flow.steps} steps of"
        f" {study.flow.step_size:g}, {study.train_seeds} trainings of"
        f" {', '.join(study.methods)}\n"
        f"now run: make reproduce PRESET={name}"
    )


def _check_name(name: str, preset: Path, force: bool) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name) or name == "targets":
        raise NsgfError(f"'{name}' cannot be a preset's name", "use a-z, 0-9, - and _, a-z first")
    if name in DATASETS and not DATASETS[name].cloud:
        raise NsgfError(f"the project has a data set '{name}'", "give yours another name")
    if preset.exists() and not force:
        raise NsgfError(f"'{preset}' is there already", "give another name, or say --force")


def _split(x: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Points to learn from and points held out, in a random order that the points' number fixes."""
    count = max(2, min(round(share * len(x)), MOST_TEST, len(x) // 2))
    order = stream(SEED, "split", len(x)).permutation(len(x)).numpy()
    return x[order[count:]], x[order[:count]]


def _preset(name: str, data: Path, file: Path, own: cloud.Cloud, points: Points, how: str) -> str:
    """The preset's text."""
    train, test, d = len(own.train), len(own.test), math.prod(own.shape)
    y = CloudProblem(own).target(1024, stream(SEED, "scale", name))
    entry = {
        "label": name,
        "file": str(file),
        "sha256": sha256_file(file),
        "shape": list(own.shape),
        "train": train,
        "test": test,
    } | ({"columns": list(points.columns)} if points.columns else {})
    text = TEXT.format(
        name=name,
        source=data.name.replace("\n", " "),
        title=f"{train + test:,} points in {d} dimensions",
        entry=_indented(yaml.safe_dump({name: entry}, sort_keys=False, allow_unicode=True), 2),
        how=how,
        seed=SEED,
        steps=STEPS,
        eta=step_size_for(STEPS),
        blur=blur_for(y),
        test=test,
    )
    kinds = ["marginals"] if d == 1 else ["projection", "marginals"]
    kinds = ["samples"] if points.images else kinds + ["paths", "panels"] * (d == 2)
    each = f"study: {name}, datasets: [{name}], nfe: {STEPS}"
    return text + "".join(f"  {kind}: {{kind: {kind}, {each}}}\n" for kind in kinds)


def _indented(text: str, by: int) -> str:
    return "".join(" " * by + line for line in text.splitlines(keepends=True)).rstrip()


TEXT = """\
# Made by `nsgf new {name}` from {source}; every key is yours to change.
# docs/own-data.md says what each part does.
name: {name}
title: "{title}"
seed: {seed}

data:  # {how}: how coordinates are standardised; samples are in the units of the file
{entry}

studies:
  {name}:
    kind: planar
    datasets: [{name}]
    methods: {{nsgf: {{}}, fm: {{}}, ot_cfm: {{}}}}
    train_seeds: 3
    sample_seeds: 5
    nfe: [{steps}]
    flow: {{steps: {steps}, step_size: {eta:g}, blur: {blur:g}}}  # standardised units
    pool: {{batch_size: 256, batches: 64}}
    networks:
      velocity: &same
        net: {{kind: mlp, width: 256, depth: 3, activation: silu}}
        iterations: 3000
        batch_size: 256
        lr: 5.0e-3
        decay: cosine
      straight: *same
      ot_cfm: *same
    sampling: {{n_samples: {test}, path_samples: {test}}}
    compute: {{device: cpu}}
    metrics: {{n_test: {test}, geomloss_samples: 0}}
    resources:
      pool: {{units_per_job: 3}}
      train: {{units_per_job: 3}}
      sample: {{units_per_job: 15}}
      reference: {{units_per_job: 15}}
      evaluate: {{units_per_job: 15}}

figures:
"""
